import base64
from ipaddress import ip_network
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from corral.http.device.identity_source import FromHeader, FromSignature, FromTls, IdentitySource, present
from corral.pki import cms
from corral.pki.identity import IdentityError
from corral.service.clock import to_datetime
from corral.simulator.push_certificates import StandInApple
from inprocess import START

NOW = to_datetime(START)
APPLE = StandInApple.create(NOW)
DER = APPLE.certificate.public_bytes(Encoding.DER)
RFC_9440 = b":" + base64.b64encode(DER) + b":"
ESCAPED = quote(APPLE.certificate.public_bytes(Encoding.PEM).decode(), safe="").encode()
PROXY = FromHeader(b"client-cert", (ip_network("10.0.0.7"), ip_network("fd00::/8")))


def scope(*headers: tuple[bytes, bytes], client: object = ("10.0.0.7", 4711), **extensions: object) -> dict[str, Any]:
    return {"type": "http", "headers": list(headers), "client": client, "extensions": extensions}


@pytest.mark.parametrize("value", [RFC_9440, ESCAPED])
@pytest.mark.parametrize("client", [("10.0.0.7", 1), ("fd12:3456::1", 1)])
def test_a_proxys_header_is_believed_from_the_proxy(value: bytes, client: object) -> None:
    assert present(PROXY, scope((b"client-cert", value), client=client), b"body").certificate == DER


@pytest.mark.parametrize(
    "client",
    [("10.0.0.8", 1), ("::ffff:10.0.0.7", 1), ("fe80::1%eth0", 1), ("fc00::1", 1), ("", 1), ("localhost", 1), None],
)
def test_a_proxys_header_is_believed_from_nobody_else(client: object) -> None:
    """None is the address of whom the connection was reset by."""
    with pytest.raises(IdentityError, match="only from the proxy"):
        present(PROXY, scope((b"client-cert", RFC_9440), client=client), b"")


def test_what_others_say_about_the_client_is_not_read() -> None:
    said = ((b"x-forwarded-for", b"10.0.0.7"), (b"forwarded", b"for=10.0.0.7"), (b"x-real-ip", b"10.0.0.7"))
    with pytest.raises(IdentityError, match="only from the proxy"):
        present(PROXY, scope((b"client-cert", RFC_9440), *said, client=("192.0.2.1", 1)), b"")


@pytest.mark.parametrize(
    ("source", "name"), [(PROXY, b"client-cert"), (FromSignature(), b"mdm-signature")], ids=["header", "signature"]
)
def test_a_header_must_be_there_once(source: IdentitySource, name: bytes) -> None:
    with pytest.raises(IdentityError, match=r"no .+ header"):
        present(source, scope(), b"")
    with pytest.raises(IdentityError, match="more than one"):
        present(source, scope((name, RFC_9440), (name, RFC_9440)), b"")


def test_a_signature_brings_its_certificates_and_fits_its_body_only() -> None:
    signature = base64.b64encode(cms.sign(b"body", APPLE.certificate, APPLE.key, detached=True))
    shown = present(FromSignature(), scope((b"mdm-signature", signature)), b"body")
    assert shown.certificate == DER
    assert DER in shown.intermediates
    with pytest.raises(IdentityError):
        present(FromSignature(), scope((b"mdm-signature", signature)), b"body ")


def test_each_listener_has_one_source_and_knows_no_other() -> None:
    signature = base64.b64encode(cms.sign(b"body", APPLE.certificate, APPLE.key, detached=True))
    everything: dict[str, object] = {"corral.client_certificate": DER}
    both = ((b"client-cert", RFC_9440), (b"mdm-signature", signature))
    assert present(FromTls(), scope(**everything), b"body").certificate == DER
    for source, shown in (
        (FromTls(), scope(*both)),
        (PROXY, scope(both[1], **everything)),
        (FromSignature(), scope(both[0], **everything)),
    ):
        with pytest.raises(IdentityError):
            present(source, shown, b"body")


def test_no_certificate_in_the_connection_is_said_so() -> None:
    for nothing in (None, b""):
        with pytest.raises(IdentityError, match="no client certificate"):
            present(FromTls(), scope(**{"corral.client_certificate": nothing}), b"")
