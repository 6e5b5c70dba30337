"""What is remembered of a signature may make the next one faster to read, and never other than it is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from corral.pki import cms
from corral.pki.cms import CmsError
from corral.pki.cms import familiar as module
from corral.pki.cms.familiar import Familiar, Signed
from corral.pki.cms.signed import read_signed, verify
from corral.pki.cms.signing import sign

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def signature(
    body: bytes,
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    at: datetime | None = NOW,
    *,
    indefinite: bool = False,
    with_attributes: bool = True,
) -> bytes:
    return sign(
        body,
        certificate,
        key,
        detached=True,
        signing_time=at,
        indefinite=indefinite,
        with_attributes=with_attributes,
    )


@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("at", [NOW, None], ids=["timed", "untimed"])
def test_the_next_signature_of_a_signer_is_read_as_it_would_be_as_a_whole(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey, at: datetime | None, indefinite: bool
) -> None:
    familiar = Familiar()
    first = signature(b"first", rsa_certificate, rsa_key, at, indefinite=indefinite)
    assert familiar.read(first) is None
    familiar.remember(first, read_signed(first))
    later = None if at is None else at + timedelta(hours=5)
    second = signature(b"second", rsa_certificate, rsa_key, later, indefinite=indefinite)
    found = familiar.read(second)
    assert found is not None
    assert found == read_signed(second)
    checked = verify(found, b"second")
    assert checked.signing_time == later
    with pytest.raises(CmsError, match="digest differs"):
        verify(found, b"first")


def test_another_signer_is_a_stranger(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    ec_certificate: x509.Certificate,
    ec_key: ec.EllipticCurvePrivateKey,
) -> None:
    familiar = Familiar()
    known = signature(b"first", rsa_certificate, rsa_key)
    familiar.remember(known, read_signed(known))
    assert familiar.read(signature(b"first", ec_certificate, ec_key)) is None


def test_a_signature_without_attributes_is_read_as_a_whole_each_time(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey
) -> None:
    familiar = Familiar()
    bare = signature(b"body", rsa_certificate, rsa_key, None, with_attributes=False)
    familiar.remember(bare, read_signed(bare))
    assert familiar.read(bare) is None


def test_what_is_remembered_is_bounded(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    ec_certificate: x509.Certificate,
    ec_key: ec.EllipticCurvePrivateKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    familiar = Familiar()
    older = signature(b"body", rsa_certificate, rsa_key)
    newer = signature(b"body", ec_certificate, ec_key)
    for each in (older, newer):
        familiar.remember(each, read_signed(each))
    assert familiar.read(older) is None
    assert familiar.read(newer) == read_signed(newer)
    monkeypatch.setattr(module, "LONGEST", 10)
    familiar.remember(older, read_signed(older))
    assert familiar.read(older) is None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3),
    from_end=st.booleans(),
    indefinite=st.booleans(),
)
@example(changes=[], from_end=False, indefinite=True)
def test_whatever_is_changed_it_is_read_as_a_whole_reading_would_or_not_at_all(
    rsa_certificate: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
    changes: list[tuple[int, int]],
    from_end: bool,
    indefinite: bool,
) -> None:
    familiar = Familiar()
    good = signature(b"first", rsa_certificate, rsa_key, indefinite=indefinite)
    familiar.remember(good, read_signed(good))
    changed = bytearray(good)
    for place, octet in changes:
        at = place % len(changed)
        changed[-at - 1 if from_end else at] = octet
    data = bytes(changed)
    found = familiar.read(data)
    if found is not None:
        assert found == read_signed(data)
    if data == good:
        assert isinstance(found, Signed)


def test_a_signature_that_does_not_hold_is_refused_however_familiar_it_looks(
    rsa_certificate: x509.Certificate, rsa_key: rsa.RSAPrivateKey
) -> None:
    good = signature(b"body", rsa_certificate, rsa_key)
    assert cms.verify_detached(good, b"body") == cms.verify_detached(good, b"body")
    value = read_signed(good).value
    forged = good.replace(value, bytes([value[0] ^ 1]) + value[1:])
    assert forged != good
    for _ in range(2):
        with pytest.raises(CmsError):
            cms.verify_detached(forged, b"body")
        with pytest.raises(CmsError):
            cms.verify_detached(good, b"another body")
