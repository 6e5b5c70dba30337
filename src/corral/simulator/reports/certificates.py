"""Apple: "Certificate List Command"."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply
from corral.simulator.reports.answering import tell

_CERTIFICATES = ("com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem")


def certificate_list(asked: Asked) -> Reply:
    """The identity of the enrollment, and the certificates that profiles have brought."""
    identity = _listed(asked.enrollment.identity.certificate, is_identity=True)
    others = [_listed(each, is_identity=False) for each in dict.fromkeys(_brought(asked))]
    return tell(asked, CertificateList=[identity, *others])


def _brought(asked: Asked) -> Iterator[bytes]:
    if asked.keys.get("ManagedOnly") is not True:
        yield from asked.enrollment.profile.trust_roots
    for payload in asked.contents.payloads(*_CERTIFICATES):
        content = payload.get("PayloadContent")
        if isinstance(content, bytes):
            yield content


def _listed(der: bytes, *, is_identity: bool) -> dict[str, PlistValue]:
    return {"CommonName": _common_name(der), "Data": der, "IsIdentity": is_identity}


def _common_name(der: bytes) -> str:
    try:
        names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return str(names[0].value) if names else ""
