import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple import push_payload


@pytest.mark.parametrize(
    ("magic", "body"),
    [
        ("B81B1FEC-09C6-4EC2-871C-E521EC971B38", b'{"mdm":"B81B1FEC-09C6-4EC2-871C-E521EC971B38"}'),
        ('a"b\\c', b'{"mdm":"a\\"b\\\\c"}'),
        ("\u00e9", '{"mdm":"\u00e9"}'.encode()),
    ],
)
def test_the_payload_is_exactly_this(magic: str, body: bytes) -> None:
    assert push_payload.body(magic) == body


@given(st.text(st.characters(codec="utf-8"), max_size=255))
def test_any_magic_arrives(magic: str) -> None:
    body = push_payload.body(magic)
    assert json.loads(body) == {"mdm": magic}
    assert len(body) <= 4096
