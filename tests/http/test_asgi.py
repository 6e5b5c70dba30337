from collections.abc import MutableMapping
from typing import Any

import pytest

from corral.http.asgi import BodyTooLarge, ClientGone, header, read_body, response

LIMIT = 10


def receiving(*chunks: bytes | None):
    """What a server hands out: chunks of a body; None is a client that hangs up."""
    left = list(chunks)

    async def receive() -> MutableMapping[str, Any]:
        chunk = left.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    return receive


def scope(length: bytes | None = None) -> dict[str, Any]:
    return {"headers": [] if length is None else [(b"content-length", length)]}


@pytest.mark.parametrize("chunks", [(b"",), (b"0123456789",), (b"01234", b"", b"56789")])
async def test_a_body_within_the_bound_is_read_whole(chunks: tuple[bytes, ...]) -> None:
    assert await read_body(scope(), receiving(*chunks), LIMIT) == b"".join(chunks)


@pytest.mark.parametrize("chunks", [(b"0123456789+",), (b"01234", b"567890"), (b"0", b"123456789", b"+", b"...")])
async def test_a_body_beyond_the_bound_is_not_gathered(chunks: tuple[bytes, ...]) -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(scope(), receiving(*chunks), LIMIT)


async def test_a_length_beyond_the_bound_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(scope(b"11"), receiving(), LIMIT)
    assert await read_body(scope(b"nonsense"), receiving(b"ok"), LIMIT) == b"ok"


@pytest.mark.parametrize("chunks", [(None,), (b"half", None)])
async def test_a_client_that_hangs_up_is_not_answered(chunks: tuple[bytes | None, ...]) -> None:
    with pytest.raises(ClientGone):
        await read_body(scope(), receiving(*chunks), LIMIT)


def test_the_first_header_of_a_name_counts() -> None:
    found = {"headers": [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]}
    assert header(found, b"a") == b"1"
    assert header(found, b"c") is None


def test_an_answer_without_a_body_names_no_type() -> None:
    head, _ = response(200, b"", b"text/plain")
    assert head["headers"] == [(b"content-length", b"0")]
    head, body = response(404, b"x", b"text/plain", ((b"retry-after", b"5"),))
    assert dict(head["headers"]) == {
        b"content-length": b"1",
        b"retry-after": b"5",
        b"content-type": b"text/plain",
    }
    assert body == {"type": "http.response.body", "body": b"x"}
