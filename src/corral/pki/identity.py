"""Who sent this request: the certificate that came with it, and whether an authority that we trust vouches
for it.

The two are separate steps. What the first returns is a claim that anybody can make; only `Trust.judge` makes
it more.
"""

import base64
import binascii
from datetime import datetime
from typing import Final
from urllib.parse import unquote_to_bytes

from corral.pki import ber, cms
from corral.pki.cms.certificate import MAX_CERTIFICATE
from corral.pki.trust import OWN, SKEW, Trust, Trusted, Untrusted

__all__ = [
    "MAX_HEADER",
    "OWN",
    "SKEW",
    "IdentityError",
    "Trust",
    "Trusted",
    "Untrusted",
    "certificate_from_header",
    "certificate_from_signature",
    "signature_from_header",
]

MAX_HEADER: Final = 16 * 1024
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


class IdentityError(ValueError):
    """A request's certificate or signature is missing, unreadable, too large, or does not fit its body."""


def certificate_from_header(value: bytes) -> bytes:
    """The DER of a client certificate that a proxy put into a header; raises `IdentityError`.

    `:base64:` as RFC 9440 has it, otherwise URL-escaped PEM as nginx's `$ssl_client_escaped_cert` has it.
    """
    _bound(value)
    value = value.strip()
    if value.startswith(b":"):
        if len(value) < 2 or not value.endswith(b":"):
            raise IdentityError("certificate header without its closing colon: is it cut off by the proxy?")
        return _certificate(value[1:-1])
    armored = unquote_to_bytes(value).strip()
    if not armored.startswith(_BEGIN) or not armored.endswith(_END) or armored.count(_BEGIN) != 1:
        raise IdentityError("certificate header that is neither RFC 9440 nor one URL-escaped PEM certificate")
    return _certificate(b"".join(armored[len(_BEGIN) : -len(_END)].split()))


def signature_from_header(header: bytes, body: bytes) -> cms.Signature:
    """The checked signature of an `Mdm-Signature` header over the body as it was received; raises
    `IdentityError`.

    `signing_time` is what the device's clock says. It is not compared with the certificate's dates: clocks
    are minutes behind at enrollment, and macOS sends none.
    """
    _bound(header)
    try:
        return cms.verify_detached(_decode(header), body)
    except cms.CmsError as error:
        raise IdentityError(f"Mdm-Signature: {error}") from None


def certificate_from_signature(header: bytes, body: bytes) -> tuple[bytes, datetime | None]:
    """The signer's certificate of an `Mdm-Signature` header, as DER, and its signing time; raises
    `IdentityError`.
    """
    signature = signature_from_header(header, body)
    return signature.certificate, signature.signing_time


def _bound(value: bytes) -> None:
    if len(value) > MAX_HEADER:
        raise IdentityError(f"identity header of {len(value)} bytes, at most {MAX_HEADER} are read")


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        # Some proxies and clients fold the lines of a long header.
        try:
            return base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error:
            raise IdentityError("identity header that is not base64") from None


def _certificate(text: bytes) -> bytes:
    der = _decode(text)
    try:
        reader = ber.Reader(der, MAX_CERTIFICATE)
        if reader.root().tag == ber.SEQUENCE:
            return der
    except ber.BerError:
        pass
    raise IdentityError("identity header that holds no certificate, or one of more than 8 KiB")
