"""What the fuzzer calls in `corral.pki`: each takes any bytes and lets no exception out but that of a real
defect.

`seeds` has good messages to start from, so that the fuzzer does not first have to invent ASN.1.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from corral.pki import ber, cms, identity, scep
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.pki.device_signature import DeviceSignatureError, DeviceTrust

_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_BODY = b"<plist/>"


class _World:
    """Keys and certificates, made once a process."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.authority: Authority = create_authority("Fuzz CA", _NOW, key=rsa.generate_private_key(65537, 2048))
        self.successor: Authority = create_authority("Fuzz CA", _NOW, key=self.key)
        self.signer: x509.Certificate = scep.build_signer(self.key, "device", _NOW)
        self.csr = scep.build_csr(self.key, "device", "challenge")
        self.identity = self._issue(self.key.public_key())
        self.curve_key = ec.generate_private_key(ec.SECP256R1())
        self.curve_identity = self._issue(self.curve_key.public_key())
        self.trust = identity.Trust([self.authority.certificate])
        self.device_trust = DeviceTrust([self.authority.certificate])

    def _issue(self, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
        later = _NOW + timedelta(days=365)
        return issue_identity(
            self.authority, key, common_name="device", connection="7", not_before=_NOW, not_after=later
        )

    def request(self, csr: bytes) -> bytes:
        return scep.build_request(
            *(csr, self.key, self.signer, self.authority.certificate),
            transaction_id="7",
            sender_nonce=bytes(16),
            random=bytes,
        )


@cache
def _world() -> _World:
    return _World()


def fuzz_ber(data: bytes) -> None:
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
        try:
            read(root)
        except ber.BerError:
            continue


def fuzz_cms(data: bytes) -> None:
    """Signatures, envelopes and certificates: as they are, and as a header."""
    world = _world()
    with suppress(cms.CmsError):
        signature = cms.verify_detached(data, _BODY)
        world.trust.judge(signature.certificate, signature.certificates, _NOW)
    for read in (cms.verify_attached, cms.read_certificates_only):
        try:
            read(data)
        except cms.CmsError:
            continue
    with suppress(cms.CmsError):
        cms.decrypt(data, world.signer, world.key)
    with suppress(identity.IdentityError):
        identity.certificate_from_header(data)
    with suppress(identity.IdentityError):
        identity.signature_from_header(data, _BODY)
    world.trust.judge(data, [data], _NOW)


def fuzz_device_signature(data: bytes) -> None:
    """What a device signs before it is enrolled, with the certificates that came along."""
    with suppress(DeviceSignatureError):
        _world().device_trust.read(data)


def fuzz_scep(data: bytes) -> None:
    """A message as a whole, a CSR in a sound message, an answer, and a query string."""
    world = _world()
    _answer(data)
    _answer(world.request(data))
    with suppress(scep.ScepError):
        scep.read_message_parameter(data)
    with suppress(scep.ScepError):
        scep.read_reply(
            *(data, world.key, world.signer, world.authority.certificate),
            transaction_id="7",
            sender_nonce=bytes(16),
        )


def _answer(message: bytes) -> None:
    world = _world()
    # For none of them is as good as for the first; read on as that, whichever it is for.
    scep.addressed(message, [world.authority, world.successor])
    try:
        request = scep.read_request(message, world.authority)
    except scep.ScepError:
        return
    if isinstance(request, scep.Request):
        scep.reply_issued(request, world.authority, world.identity)
    else:
        scep.reply_refused(request, world.authority)


def seeds(target: str) -> list[bytes]:
    """Good inputs for the target of this name."""
    world = _world()
    device = x509.load_der_x509_certificate(world.identity)
    curve = x509.load_der_x509_certificate(world.curve_identity)
    signed = [
        cms.sign(_BODY, device, world.key, detached=True, signing_time=_NOW, indefinite=True),
        cms.sign(_BODY, device, world.key, with_attributes=False, digest="sha1"),
        cms.sign(_BODY, curve, world.curve_key, detached=True),
    ]
    enclosed = cms.encrypt(world.csr, world.signer)
    messages = [world.request(world.csr), world.csr]
    listed = cms.certificates_only([world.identity, world.authority.der])
    match target:
        case "fuzz_ber":
            return [*signed, world.identity]
        case "fuzz_cms":
            return [*signed, enclosed, listed, world.identity]
        case "fuzz_device_signature":
            return [cms.sign(_BODY, device, world.key, indefinite=True), cms.sign(_BODY, curve, world.curve_key)]
        case "fuzz_scep":
            refused = scep.Refusal("7", bytes(16), scep.FailInfo.BAD_TIME, "")
            return [*messages, scep.reply_refused(refused, world.authority)]
        case _:
            raise ValueError(f"no target is called {target!r}")
