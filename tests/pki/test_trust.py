from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.pki.authority import Authority, issue_identity
from corral.pki.trust import OWN, Trust, Trusted, Untrusted

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def make(
    name: str,
    issuer: Made | None = None,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    authority: bool = False,
    path_length: int | None = None,
    purposes: Sequence[ObjectIdentifier] = (),
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    constraints: bool = True,
    start: datetime = NOW - DAY,
    end: datetime = NOW + 365 * DAY,
) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


ROOT = make("root", authority=True)
BETWEEN = make("between", ROOT, authority=True)
TRUST = Trust([], {"step": [ROOT.certificate]})


def reason(verdict: Trusted | Untrusted) -> str:
    assert isinstance(verdict, Untrusted), verdict
    return verdict.reason


def trusted(verdict: Trusted | Untrusted) -> Trusted:
    assert isinstance(verdict, Trusted), verdict
    return verdict


def test_our_own_certificate_is_trusted_and_names_its_connection(
    authority: Authority, rsa_key: rsa.RSAPrivateKey
) -> None:
    certificate = issue_identity(
        authority,
        rsa_key.public_key(),
        common_name="x",
        connection="7a0c",
        not_before=NOW - DAY,
        not_after=NOW + DAY,
    )
    trust = Trust([authority.certificate], {"step": [ROOT.certificate]})
    expected = Trusted(OWN, authority.id, NOW - DAY, NOW + DAY, "7a0c", expired=False)
    assert trust.judge(certificate, [], NOW) == expected
    assert trust.judge(certificate, [], NOW) == expected


def test_a_foreign_certificate_that_copies_the_name_of_a_connection_names_none() -> None:
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:uuid:7a0c")])
    device = make("device", ROOT, extensions=[(name, False)])
    verdict = trusted(TRUST.judge(device.der, [], NOW))
    assert verdict.authority == "step"
    assert verdict.connection is None


def test_a_foreign_authority_cannot_take_our_name() -> None:
    with pytest.raises(ValueError, match="own"):
        Trust([], {"own": [ROOT.certificate]})


def test_an_intermediate_may_come_along_or_be_configured() -> None:
    device = make("device", BETWEEN)
    assert reason(TRUST.judge(device.der, [], NOW)) == "no trusted authority issued the certificate"
    configured = Trust([], {"step": [ROOT.certificate]}, [BETWEEN.certificate])
    assert trusted(configured.judge(device.der, [], NOW)).authority == "step"
    # What failed before is not remembered against it.
    assert trusted(TRUST.judge(device.der, [b"junk", device.der, BETWEEN.der], NOW)).authority == "step"


def test_an_authority_that_is_itself_issued_may_be_named_alone() -> None:
    device = make("device", BETWEEN)
    assert trusted(Trust([], {"x": [BETWEEN.certificate]}).judge(device.der, [], NOW))


def test_long_chains_hold_up_to_a_bound() -> None:
    chain = [make("c0", ROOT, authority=True)]
    for number in range(1, 12):
        chain.append(make(f"c{number}", chain[-1], authority=True))
    short, long = make("device", chain[5]), make("device", chain[11])
    assert trusted(TRUST.judge(short.der, [one.der for one in chain[:6]], NOW))
    assert reason(TRUST.judge(long.der, [one.der for one in chain], NOW))


def test_the_same_name_with_another_key_is_not_the_same_authority() -> None:
    impostor = make("root", authority=True)
    device = make("device", impostor)
    for along in ([], [impostor.der]):
        assert "did not sign" in reason(TRUST.judge(device.der, along, NOW))


def test_a_self_signed_certificate_is_not_trusted() -> None:
    assert "no trusted authority" in reason(TRUST.judge(make("device").der, [], NOW))


def test_an_authoritys_certificate_is_no_devices() -> None:
    for der in (ROOT.der, BETWEEN.der):
        assert "not a device's" in reason(TRUST.judge(der, [], NOW))


def test_a_device_cannot_issue() -> None:
    device = make("device", ROOT)
    assert "no authority's" in reason(TRUST.judge(make("x", device).der, [device.der], NOW))
    bare = make("bare", ROOT, constraints=False)
    assert "no authority's" in reason(TRUST.judge(make("x", bare).der, [bare.der], NOW))


def test_an_authority_that_may_not_sign_certificates_does_not() -> None:
    usage = x509.KeyUsage(True, False, False, False, False, False, True, False, False)
    crl_only = make("crl", ROOT, authority=True, extensions=[(usage, True)])
    assert "key usage" in reason(TRUST.judge(make("x", crl_only).der, [crl_only.der], NOW))


def test_a_path_length_is_kept() -> None:
    narrow = make("narrow", authority=True, path_length=0)
    below = make("below", narrow, authority=True)
    trust = Trust([], {"narrow": [narrow.certificate]})
    assert trusted(trust.judge(make("x", narrow).der, [], NOW))
    assert "longer" in reason(trust.judge(make("x", below).der, [below.der], NOW))


@pytest.mark.parametrize(
    ("purposes", "holds"),
    [
        ([], True),
        ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
    ],
)
def test_a_purpose_if_there_is_one_must_be_client_authentication(
    purposes: Sequence[ObjectIdentifier], holds: bool
) -> None:
    device = make("device", ROOT, purposes=purposes)
    above = make("above", ROOT, authority=True, purposes=purposes)
    below = make("device", above)
    for verdict in (TRUST.judge(device.der, [], NOW), TRUST.judge(below.der, [above.der], NOW)):
        assert isinstance(verdict, Trusted) == holds


def test_a_critical_extension_that_is_not_understood_is_refused() -> None:
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert "1.2.3.4" in reason(TRUST.judge(make("x", ROOT, extensions=[(strange, True)]).der, [], NOW))
    assert trusted(TRUST.judge(make("x", ROOT, extensions=[(strange, False)]).der, [], NOW))


def test_dates_are_looked_at_each_time() -> None:
    device = make("device", ROOT, start=NOW, end=NOW + DAY)
    for _ in range(2):
        assert not trusted(TRUST.judge(device.der, [], NOW - timedelta(minutes=4))).expired
        assert "not valid until" in reason(TRUST.judge(device.der, [], NOW - timedelta(minutes=6)))
        assert not trusted(TRUST.judge(device.der, [], NOW + DAY)).expired
        assert trusted(TRUST.judge(device.der, [], NOW + DAY + timedelta(seconds=1))).expired


def test_an_expired_intermediate_expires_what_it_issued_until_it_is_renewed() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    old = make("between", ROOT, key=key, authority=True, end=NOW - timedelta(hours=1))
    new = make("between", ROOT, key=key, authority=True)
    device = make("device", old)
    assert trusted(Trust([], {"r": [ROOT.certificate]}).judge(device.der, [old.der], NOW)).expired
    trust = Trust([], {"r": [ROOT.certificate]})
    assert trusted(trust.judge(device.der, [old.der], NOW)).not_after == NOW - timedelta(hours=1)
    assert not trusted(trust.judge(device.der, [new.der], NOW)).expired
    for along in ([old.der, new.der], [new.der, old.der]):
        assert not trusted(Trust([], {"r": [ROOT.certificate]}).judge(device.der, along, NOW)).expired


def test_the_own_dates_of_an_authority_do_not_matter() -> None:
    old = make("old", authority=True, end=NOW - timedelta(hours=1))
    device = make("device", old)
    assert not trusted(Trust([], {"old": [old.certificate]}).judge(device.der, [], NOW)).expired


def test_a_circle_of_intermediates_ends() -> None:
    one_key, two_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    one = make("one", key=one_key, authority=True)
    two = make("two", one, key=two_key, authority=True)
    crossed = make("one", two, key=one_key, authority=True)
    assert reason(TRUST.judge(make("device", crossed).der, [one.der, two.der, crossed.der], NOW))


def test_the_search_is_bounded_in_signature_checks() -> None:
    """Many intermediates of one name and key are many ways to nowhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    first = make("loop", key=key, authority=True)
    loop = [make("loop", first, key=key, authority=True).der for _ in range(8)]
    assert reason(TRUST.judge(make("device", first).der, loop, NOW))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_an_altered_certificate_is_untrusted_whatever_became_of_it(at: int, piece: bytes) -> None:
    der = DEVICE.der
    at %= len(der)
    altered = der[:at] + piece + der[at + len(piece) :]
    if altered != der:
        assert isinstance(TRUST.judge(altered, [], NOW), Untrusted)


DEVICE = make("device", ROOT, purposes=[ExtendedKeyUsageOID.CLIENT_AUTH])


def test_a_certificate_is_bounded() -> None:
    assert "at most" in reason(TRUST.judge(bytes(10_000), [], NOW))
