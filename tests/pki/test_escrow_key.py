"""What devices enclose for an installation, it alone can open, for as long as it keeps its key."""

from datetime import UTC, datetime

import pytest

from corral.pki import cms
from corral.pki.cms import CmsError
from corral.pki.escrow_key import MAX_ENCLOSED, EscrowKey, EscrowKeyError, create_escrow_key, read_escrow_key


@pytest.fixture(scope="module")
def key() -> EscrowKey:
    return create_escrow_key("Example", datetime.now(UTC))


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "des-ede3-cbc"])
def test_what_was_enclosed_for_it_opens(key: EscrowKey, cipher: str) -> None:
    enclosed = cms.encrypt(b"ABCD-1234", key.certificate, cipher)
    assert read_escrow_key(key.pem()).open(enclosed) == b"ABCD-1234"


def test_what_was_enclosed_for_another_does_not(key: EscrowKey) -> None:
    other = create_escrow_key("Example", datetime.now(UTC))
    with pytest.raises(CmsError):
        key.open(cms.encrypt(b"ABCD-1234", other.certificate))
    with pytest.raises(CmsError):
        key.open(b"\x30\x80" + b"\0" * MAX_ENCLOSED)


def test_pem_that_is_none_is_refused(key: EscrowKey) -> None:
    other = create_escrow_key("Example", datetime.now(UTC))
    begin = b"-----BEGIN PRIVATE KEY-----"
    swapped = key.pem().partition(begin)[0] + begin + other.pem().partition(begin)[2]
    for wrong in (b"", b"no PEM", key.pem().partition(begin)[0], swapped):
        with pytest.raises(EscrowKeyError):
            read_escrow_key(wrong)


def test_the_key_is_not_shown(key: EscrowKey) -> None:
    assert "PRIVATE" not in repr(key)
    assert "RSAPrivateKey" not in repr(key)
