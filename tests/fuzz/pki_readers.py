"""The readers of `corral.pki`: certificates, signatures and envelopes, SCEP, and the keys that people bring.

What is signed or enclosed is fuzzed on both sides of it: as it comes, and made soundly around any bytes.
"""

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from corral.cli.failure import Failure
from corral.cli.vendor import open_key
from corral.pki import ber, cms, identity, push_certificate, scep
from corral.pki.authority import Authority, AuthorityError, create_authority, issue_identity, read_authority
from corral.pki.cms.certificate import load_certificate, load_public_key, read_parts
from corral.pki.cms.familiar import Familiar
from corral.pki.cms.signed import read_signed, verify
from corral.pki.device_signature import DeviceSignatureError, DeviceTrust
from corral.pki.escrow_key import EscrowKey, EscrowKeyError, read_escrow_key
from corral.pki.push_certificate import PushCertificateError, sign_request
from corral.pki.scep.client import read_ca_certificates
from corral.pki.scep.messages import read_nonce, read_text
from fuzz.reader import Reader, reader

NOW = datetime(2026, 6, 1, tzinfo=UTC)
_BODY = b"<plist/>"


class World:
    """Keys and certificates, made once a process."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.authority: Authority = create_authority("Fuzz CA", NOW, key=rsa.generate_private_key(65537, 2048))
        self.successor: Authority = create_authority("Fuzz CA", NOW, key=self.key)
        self.signer: x509.Certificate = scep.build_signer(self.key, "device", NOW)
        self.csr = scep.build_csr(self.key, "device", "challenge")
        self.identity = self._issue(self.key.public_key())
        self.certificate = x509.load_der_x509_certificate(self.identity)
        self.curve_key = ec.generate_private_key(ec.SECP256R1())
        self.curve_identity = x509.load_der_x509_certificate(self._issue(self.curve_key.public_key()))
        self.trust = identity.Trust([self.authority.certificate])
        self.device_trust = DeviceTrust([self.authority.certificate])
        self.push = push_certificate.issue_push_certificate(
            self.authority, "com.apple.mgmt.External.1", self.key, NOW, NOW + timedelta(days=365)
        )

    def _issue(self, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
        later = NOW + timedelta(days=365)
        return issue_identity(
            self.authority, key, common_name="device", connection="7", not_before=NOW, not_after=later
        )

    def request(self, csr: bytes) -> bytes:
        return scep.build_request(
            *(csr, self.key, self.signer, self.authority.certificate),
            transaction_id="7",
            sender_nonce=bytes(16),
            random=bytes,
        )

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def world() -> World:
    return World()


# -- ASN.1 and signatures


def _ber(data: bytes) -> None:
    """Every reader of `ber.Reader` on every element; what is read as DER must read again as the same."""
    try:
        reader = ber.Reader(data)
        root = reader.root()
        written = reader.der(root)
    except ber.BerError:
        return
    again = ber.Reader(written)
    assert again.der(again.root()) == written
    for read in (reader.value, reader.string, reader.integer, reader.text, reader.time, reader.children):
        with suppress(ber.BerError):
            read(root)


def _verify(data: bytes) -> None:
    signed = read_signed(data)
    verify(signed, signed.content or _BODY)


def _detached(data: bytes) -> None:
    signature = cms.verify_detached(data, _BODY)
    world().trust.judge(signature.certificate, signature.certificates, NOW)


def _familiar(data: bytes) -> None:
    """What was once remembered must be read as if it had not been."""
    familiar = Familiar()
    for sample in _signatures():
        familiar.remember(sample, read_signed(sample))
    found = familiar.read(data)
    if found is not None:
        assert found == read_signed(data)


def _judge(data: bytes) -> None:
    world().trust.judge(data, [data], NOW)
    world().trust.judge(world().identity, [data, data], NOW)


def _enclosed(data: bytes) -> None:
    with suppress(cms.CmsError):
        cms.decrypt(data, world().signer, world().key)
    cms.is_enclosed_for(data, world().identity)


@cache
def _signatures() -> Sequence[bytes]:
    found = world()
    return [
        cms.sign(_BODY, found.certificate, found.key, detached=True, signing_time=NOW, indefinite=True),
        cms.sign(_BODY, found.certificate, found.key, detached=True, signing_time=NOW),
        cms.sign(_BODY, found.certificate, found.key, with_attributes=False, digest="sha1"),
        cms.sign(_BODY, found.curve_identity, found.curve_key, detached=True),
    ]


@cache
def attached() -> Sequence[bytes]:
    found = world()
    return [
        cms.sign(_BODY, found.certificate, found.key, indefinite=True),
        cms.sign(_BODY, found.certificate, found.key),
        cms.sign(_BODY, found.curve_identity, found.curve_key),
    ]


def _certificates() -> Sequence[bytes]:
    return [world().identity, world().authority.der, world().curve_identity.public_bytes(Encoding.DER)]


def _key_infos() -> Sequence[bytes]:
    keys = (world().key.public_key(), world().curve_key.public_key())
    return [each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in keys]


@cache
def _envelopes() -> Sequence[bytes]:
    return [cms.encrypt(world().csr, world().signer), cms.encrypt(b"", world().signer, "des-ede3-cbc")]


def _lists() -> Sequence[bytes]:
    return [cms.certificates_only(_certificates()), cms.certificates_only([])]


def _header_signature(data: bytes) -> None:
    identity.signature_from_header(data, _BODY)


def _header_signatures() -> Sequence[bytes]:
    return [base64.b64encode(each) for each in _signatures()]


def _header_certificates() -> Sequence[bytes]:
    pem = world().certificate.public_bytes(Encoding.PEM).decode()
    return [b":" + base64.b64encode(world().identity) + b":", quote(pem).encode(), quote(pem, safe="").encode()]


# -- SCEP


def _scep(data: bytes) -> None:
    """A message as a whole, and a CSR in a sound message; whoever can be answered is."""
    _answer(data)
    _answer(world().request(data))


def _answer(message: bytes) -> None:
    # For none of them is as good as for the first; read on as that, whichever it is for.
    scep.addressed(message, [world().authority, world().successor])
    try:
        request = scep.read_request(message, world().authority)
    except scep.ScepError:
        return
    if isinstance(request, scep.Request):
        scep.reply_issued(request, world().authority, world().identity)
    else:
        scep.reply_refused(request, world().authority)


def _attributes(data: bytes) -> None:
    """A signed attribute of any bytes."""
    name = "2.16.840.1.113733.1.9.7"
    for read in (read_text, read_nonce):
        with suppress(scep.ScepError):
            read({ber.oid(name)[2:]: data}, name)


def _reply(data: bytes) -> None:
    given = (data, world().key, world().signer, world().authority.certificate)
    scep.read_reply(*given, transaction_id="7", sender_nonce=bytes(16))


@cache
def _requests() -> Sequence[bytes]:
    return [world().request(world().csr), world().csr]


@cache
def _replies() -> Sequence[bytes]:
    request = scep.read_request(world().request(world().csr), world().authority)
    assert isinstance(request, scep.Request)
    refused = scep.Refusal("7", bytes(16), scep.FailInfo.BAD_TIME, "")
    issued = scep.reply_issued(request, world().authority, world().identity)
    return [scep.reply_refused(refused, world().authority), issued]


def _queries() -> Sequence[bytes]:
    text = quote(base64.b64encode(world().request(world().csr)).decode(), safe="")
    return [f"operation=PKIOperation&message={text}".encode()]


# -- files


def _pairs(read: Callable[[bytes, bytes], object]) -> Callable[[bytes], object]:
    """A certificate and a key of any bytes, and each beside a sound other."""

    def call(data: bytes) -> None:
        pem = world().certificate.public_bytes(Encoding.PEM)
        for given in ((data, data), (data, world().key_pem), (pem, data)):
            with suppress(PushCertificateError, AuthorityError):
                read(*given)

    return call


def _sign_request(data: bytes) -> None:
    sign_request(data, world().successor.certificate, world().key, [world().authority.certificate])


@cache
def _pems() -> Sequence[bytes]:
    curve = world().curve_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [
        world().push.certificate_pem + world().push.key_pem,
        world().authority.certificate_pem() + world().key_pem,
        world().key_pem,
        curve,
        world().key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    ]


def _csrs() -> Sequence[bytes]:
    return [world().csr, push_certificate.build_csr(world().key, "name")]


def _escrow(data: bytes) -> bytes:
    return EscrowKey(world().signer.public_bytes(Encoding.DER), world().key).open(data)


READERS: tuple[Reader, ...] = (
    Reader(_ber, (ber.Reader,), (), _certificates),
    reader(cms.verify_attached, cms.CmsError, samples=attached),
    reader(cms.verify_detached, cms.CmsError, samples=_signatures, call=_detached),
    reader(read_signed, cms.CmsError, samples=_signatures, call=_verify, also=(verify,)),
    reader(Familiar.read, cms.CmsError, samples=_signatures, call=_familiar),
    reader(cms.decrypt, samples=_envelopes, call=_enclosed, also=(cms.is_enclosed_for,)),
    reader(cms.read_certificates_only, cms.CmsError, samples=_lists),
    reader(read_parts, cms.CmsError, samples=_certificates),
    reader(load_certificate, cms.CmsError, samples=_certificates),
    reader(load_public_key, cms.CmsError, samples=_key_infos),
    reader(identity.Trust.judge, samples=_certificates, call=_judge),
    reader(identity.certificate_from_header, identity.IdentityError, samples=_header_certificates),
    reader(
        identity.signature_from_header,
        identity.IdentityError,
        samples=_header_signatures,
        call=_header_signature,
        also=(identity.certificate_from_signature,),
    ),
    reader(
        DeviceTrust.open,
        DeviceSignatureError,
        samples=attached,
        call=lambda data: world().device_trust.read(data),
        also=(DeviceTrust.read,),
    ),
    reader(scep.read_request, samples=_requests, call=_scep, also=(scep.addressed,)),
    reader(read_text, samples=_requests, call=_attributes, also=(read_nonce,)),
    reader(scep.read_reply, scep.ScepError, samples=_replies, call=_reply),
    reader(scep.read_message_parameter, scep.ScepError, samples=_queries),
    reader(read_ca_certificates, scep.ScepError, samples=_lists),
    reader(push_certificate.read, samples=_pems, call=_pairs(push_certificate.read)),
    reader(read_authority, samples=_pems, call=_pairs(read_authority)),
    reader(sign_request, PushCertificateError, samples=_csrs, call=_sign_request),
    reader(read_escrow_key, EscrowKeyError, samples=_pems),
    reader(EscrowKey.open, cms.CmsError, samples=_envelopes, call=_escrow),
    reader(open_key, Failure, samples=_pems),
)
