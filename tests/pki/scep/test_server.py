import base64
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.pki import ber, cms, scep
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.pki.cms import algorithms
from corral.pki.cms.signed import read_signed
from corral.pki.scep import FailInfo, MessageType, Refusal, Request, ScepError, messages

NONCE = bytes(range(16))
TRANSACTION = "A1+/="


@pytest.fixture(scope="session")
def signer(rsa_key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    return scep.build_signer(rsa_key, "device", now)


@pytest.fixture(scope="session")
def issued(authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime) -> bytes:
    later = now + timedelta(days=365)
    return issue_identity(
        authority, rsa_key.public_key(), common_name="x", connection="7a0c", not_before=now, not_after=later
    )


def message(
    content: bytes,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    certificate: x509.Certificate,
    *,
    kind: str = "19",
    transaction: bytes | None = None,
    nonce: bytes | None = NONCE,
    more: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """A pkiMessage that need not be a good one."""
    attributes = [
        (messages.MESSAGE_TYPE, ber.text(kind)),
        (messages.TRANSACTION_ID, ber.text(TRANSACTION) if transaction is None else transaction),
        *more,
    ]
    if nonce is not None:
        attributes.append((messages.SENDER_NONCE, ber.octet_string(nonce)))
    return cms.sign(content, certificate, key, attributes=attributes)


def refusal(read: Request | Refusal) -> Refusal:
    assert isinstance(read, Refusal), read
    return read


def request(read: Request | Refusal) -> Request:
    assert isinstance(read, Request), read
    return read


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize(
    ("cipher", "answered"),
    [
        ("des-cbc", "des-ede3-cbc"),
        ("des-ede3-cbc", "des-ede3-cbc"),
        ("aes-128-cbc", "aes-128-cbc"),
        ("aes-256-cbc", "aes-256-cbc"),
    ],
)
def test_a_request_is_read_and_answered_with_nothing_weaker(
    authority: Authority,
    rsa_key: rsa.RSAPrivateKey,
    signer: x509.Certificate,
    issued: bytes,
    cipher: str,
    answered: str,
    digest: str,
) -> None:
    csr = scep.build_csr(rsa_key, "device", "open sesame")
    sent = scep.build_request(
        *(csr, rsa_key, signer, authority.certificate),
        transaction_id=TRANSACTION,
        sender_nonce=NONCE,
        cipher=cipher,
        digest=digest,
    )
    read = request(scep.read_request(sent, authority))
    assert read.message_type is MessageType.PKCS_REQ
    assert (read.transaction_id, read.sender_nonce) == (TRANSACTION, NONCE)
    assert (read.cipher, read.digest) == (cipher, digest)
    assert (read.csr, read.challenge) == (csr, "open sesame")
    assert read.public_key == rsa_key.public_key()
    assert read.signer == signer.public_bytes(Encoding.DER)

    reply = scep.reply_issued(read, authority, issued)
    content, signature = cms.verify_attached(reply)
    assert signature.digest == digest
    assert signature.certificate == authority.der
    assert cms.decrypt(content, signer, rsa_key).cipher == answered
    got = scep.read_reply(
        *(reply, rsa_key, signer, authority.certificate), transaction_id=TRANSACTION, sender_nonce=NONCE
    )
    assert got == scep.Issued(issued, (issued,))


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("fail_info", list(FailInfo))
def test_a_refusal_reaches_the_client(
    authority: Authority,
    rsa_key: rsa.RSAPrivateKey,
    signer: x509.Certificate,
    fail_info: FailInfo,
    digest: str,
) -> None:
    refused = Refusal(TRANSACTION, NONCE, FailInfo.BAD_TIME, "a reason for the log", digest)
    reply = scep.reply_refused(refused, authority, fail_info)
    assert b"reason" not in reply
    assert read_signed(reply).content is None
    got = scep.read_reply(
        *(reply, rsa_key, signer, authority.certificate), transaction_id=TRANSACTION, sender_nonce=NONCE
    )
    assert got == scep.Refused(fail_info)


def test_a_renewal_asks_for_another_key_than_its_signers(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, issued: bytes
) -> None:
    own = x509.load_der_x509_certificate(issued)
    csr = scep.build_csr(other_rsa_key, "device")
    for kind in MessageType:
        sent = scep.build_request(
            *(csr, rsa_key, own, authority.certificate),
            message_type=kind,
            transaction_id=TRANSACTION,
            sender_nonce=NONCE,
        )
        read = scep.read_request(sent, authority)
        if kind is MessageType.RENEWAL_REQ:
            assert request(read).signer == issued
            assert request(read).challenge is None
            assert request(read).public_key == other_rsa_key.public_key()
        else:
            assert refusal(read).fail_info is FailInfo.BAD_REQUEST


def test_secrets_do_not_show(authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate) -> None:
    csr = scep.build_csr(rsa_key, "device", "open sesame")
    sent = scep.build_request(
        *(csr, rsa_key, signer, authority.certificate), transaction_id=TRANSACTION, sender_nonce=NONCE
    )
    assert "sesame" not in repr(scep.read_request(sent, authority))


@pytest.mark.parametrize("kind", ["3", "18", "20", "21", "22", "0", "", "190", "nineteen", "١٩"])
def test_other_types_of_message_are_refused_whatever_they_carry(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate, kind: str
) -> None:
    content = cms.encrypt(scep.build_csr(rsa_key, "device", "open sesame"), authority.certificate)
    read = refusal(scep.read_request(message(content, rsa_key, signer, kind=kind), authority))
    assert read.fail_info is FailInfo.BAD_REQUEST
    assert (read.transaction_id, read.sender_nonce) == (TRANSACTION, NONCE)


def test_what_was_altered_is_refused(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    content = cms.encrypt(scep.build_csr(rsa_key, "device"), authority.certificate)
    sent = message(content, rsa_key, signer)
    broken = sent[:-1] + bytes([sent[-1] ^ 1])
    assert refusal(scep.read_request(broken, authority)).fail_info is FailInfo.BAD_MESSAGE_CHECK


def test_a_csr_for_a_key_that_its_sender_does_not_hold_is_refused(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    stolen = cms.encrypt(scep.build_csr(other_rsa_key, "device"), authority.certificate)
    read = refusal(scep.read_request(message(stolen, rsa_key, signer), authority))
    assert read.fail_info is FailInfo.BAD_REQUEST

    csr = bytearray(scep.build_csr(rsa_key, "device"))
    csr[-1] ^= 1
    forged = cms.encrypt(bytes(csr), authority.certificate)
    for kind in MessageType:
        read = refusal(scep.read_request(message(forged, rsa_key, signer, kind=kind), authority))
        assert read.fail_info is FailInfo.BAD_MESSAGE_CHECK


def test_whoever_alters_an_envelope_learns_one_thing_only(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, other_rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    """A captured envelope, signed anew by a stranger, with each of its last blocks altered in turn."""
    captured = cms.encrypt(scep.build_csr(other_rsa_key, "device", "open sesame"), authority.certificate)
    for at in range(1, 400, 7):
        altered = captured[:-at] + bytes([captured[-at] ^ 1]) + captured[len(captured) - at + 1 :]
        read = refusal(scep.read_request(message(altered, rsa_key, signer), authority))
        assert read.fail_info is FailInfo.BAD_MESSAGE_CHECK


def test_keys_that_no_certificate_is_issued_for_are_refused(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505  that it is weak is the point
    curve = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    for key in (small, curve):
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        content = cms.encrypt(csr.public_bytes(Encoding.DER), authority.certificate)
        read = refusal(scep.read_request(message(content, rsa_key, signer, kind="17"), authority))
        assert read.fail_info is FailInfo.BAD_ALG


def test_a_renewal_may_ask_for_a_key_on_a_curve(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, ec_key: ec.EllipticCurvePrivateKey, signer: x509.Certificate
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(ec_key, hashes.SHA256())
    content = cms.encrypt(csr.public_bytes(Encoding.DER), authority.certificate)
    read = request(scep.read_request(message(content, rsa_key, signer, kind="17"), authority))
    assert read.public_key == ec_key.public_key()


def test_a_signer_that_no_answer_can_be_enclosed_for_is_refused(
    authority: Authority, ec_key: ec.EllipticCurvePrivateKey, ec_certificate: x509.Certificate
) -> None:
    content = cms.encrypt(b"anything", authority.certificate)
    read = refusal(scep.read_request(message(content, ec_key, ec_certificate), authority))
    assert read.fail_info is FailInfo.BAD_ALG


def test_md5_is_refused_and_the_refusal_is_signed_with_something_better(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    content = cms.encrypt(scep.build_csr(rsa_key, "device"), authority.certificate)
    sent = message(content, rsa_key, signer)
    sha256 = ber.oid(algorithms.DIGEST_OIDS["sha256"]) + ber.null()
    md5 = ber.oid("1.2.840.113549.2.5") + ber.octet_string(b"0")  # as many bytes, so that all lengths stay
    read = refusal(scep.read_request(sent.replace(sha256, md5), authority))
    assert read.fail_info is FailInfo.BAD_ALG
    assert read.digest == "sha256"


def test_a_request_that_cannot_be_answered_is_an_error(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    content = cms.encrypt(b"x", authority.certificate)
    for wrong in (
        b"",
        b"GET / HTTP/1.1",
        cms.sign(content, signer, rsa_key),
        cms.sign(content, signer, rsa_key, with_attributes=False),
        message(content, rsa_key, signer, transaction=ber.text("")),
        message(content, rsa_key, signer, transaction=ber.text("7" * 300)),
        message(content, rsa_key, signer, transaction=ber.octet_string(b"7")),
        message(bytes(70_000), rsa_key, signer),
    ):
        with pytest.raises(ScepError):
            scep.read_request(wrong, authority)


def test_a_request_without_a_nonce_or_content_is_told_so(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    content = cms.encrypt(scep.build_csr(rsa_key, "device"), authority.certificate)
    for nonce in (None, b"", bytes(65)):
        read = refusal(scep.read_request(message(content, rsa_key, signer, nonce=nonce), authority))
        assert read.fail_info is FailInfo.BAD_REQUEST
        assert scep.reply_refused(read, authority)
    read = refusal(scep.read_request(message(b"", rsa_key, signer), authority))
    assert read.fail_info is FailInfo.BAD_REQUEST


def test_a_challenge_may_be_any_text(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for text in ("", "pässwörd", "x" * 1000):
        csr = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, text.encode()).sign(rsa_key, hashes.SHA256())
        content = cms.encrypt(csr.public_bytes(Encoding.DER), authority.certificate)
        assert request(scep.read_request(message(content, rsa_key, signer), authority)).challenge == text


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_an_altered_message_is_refused_or_an_error_and_never_another_request(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate, at: int, piece: bytes
) -> None:
    csr = scep.build_csr(rsa_key, "device", "open sesame")
    sent = scep.build_request(
        *(csr, rsa_key, signer, authority.certificate),
        transaction_id=TRANSACTION,
        sender_nonce=NONCE,
        random=lambda size: bytes(size),
    )
    at %= len(sent)
    try:
        read = scep.read_request(sent[:at] + piece + sent[at + len(piece) :], authority)
    except ScepError:
        return
    if isinstance(read, Request):
        assert (read.csr, read.transaction_id, read.sender_nonce) == (csr, TRANSACTION, NONCE)
    else:
        assert scep.reply_refused(read, authority)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=4))
def test_an_altered_csr_in_a_sound_message_is_refused(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate, at: int, piece: bytes
) -> None:
    csr = scep.build_csr(rsa_key, "device", "open sesame")
    at %= len(csr)
    altered = csr[:at] + piece + csr[at + len(piece) :]
    content = cms.encrypt(altered, authority.certificate)
    read = scep.read_request(message(content, rsa_key, signer), authority)
    assert altered == csr or isinstance(read, Refusal)


DATA = bytes(range(256)) * 3


@pytest.mark.parametrize(
    "value",
    [
        quote(base64.b64encode(DATA), safe=""),
        base64.b64encode(DATA).decode(),
        base64.b64encode(DATA).decode().replace("+", " "),
        base64.b64encode(DATA[:-1]).decode().rstrip("="),
        base64.urlsafe_b64encode(DATA).decode(),
        quote(base64.encodebytes(DATA)),
    ],
)
@pytest.mark.parametrize(
    "query", ["operation=PKIOperation&message=%s", "message=%s&operation=PKIOperation", "message=%s"]
)
def test_a_message_in_the_query_is_read_however_it_was_escaped(value: str, query: str) -> None:
    read = scep.read_message_parameter((query % value).encode())
    assert read in (DATA, DATA[:-1])


def test_what_we_put_into_a_query_reads_back() -> None:
    data = os.urandom(2000)
    assert scep.read_message_parameter(b"message=" + scep.message_parameter(data).encode()) == data


@given(st.binary(max_size=200))
def test_a_query_without_a_message_is_an_error(query: bytes) -> None:
    for one in (query, b"message=" + query):
        try:
            scep.read_message_parameter(one)
        except ScepError:
            continue


def test_a_query_is_bounded() -> None:
    with pytest.raises(ScepError, match="at most"):
        scep.read_message_parameter(b"message=" + bytes(200_000))


def test_nothing_weak_is_offered() -> None:
    offered = scep.CAPABILITIES.split()
    assert {b"AES", b"DES3", b"POSTPKIOperation", b"Renewal", b"SCEPStandard", b"SHA-256", b"SHA-512"} == set(offered)


def test_of_two_authorities_of_one_name_the_one_is_found_that_a_request_is_enclosed_for(
    authority: Authority, rsa_key: rsa.RSAPrivateKey, signer: x509.Certificate, now: datetime
) -> None:
    name = authority.certificate.subject.rfc4514_string().removeprefix("CN=")
    second = create_authority(name, now, key=rsa_key)
    csr = scep.build_csr(rsa_key, "device", "challenge")
    for meant in (authority, second):
        sent = scep.build_request(
            csr, rsa_key, signer, meant.certificate, transaction_id=TRANSACTION, sender_nonce=NONCE
        )
        for known in ([authority, second], [second, authority]):
            assert scep.addressed(sent, known) is meant
            assert isinstance(scep.read_request(sent, scep.addressed(sent, known)), Request)
    other = create_authority(name, now, key=rsa.generate_private_key(65537, 2048))
    assert scep.addressed(sent, [authority, other]) is authority, "it is for none of them"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_what_is_no_request_is_for_the_first_authority(authorities: list[Authority], data: bytes) -> None:
    for sent in (data, cms.sign(data, authorities[0].certificate, authorities[0].key)):
        assert scep.addressed(sent, authorities) is authorities[0]


@pytest.fixture(scope="module")
def authorities(authority: Authority, rsa_key: rsa.RSAPrivateKey, now: datetime) -> list[Authority]:
    return [authority, create_authority("Second", now, key=rsa_key)]
