"""How a request proves who sent it: the two ways that are measured, and the whole requests made with them."""

import base64
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from benchmarks.fleet import Device
from benchmarks.signing import Workshop


class Proof(StrEnum):
    """`HEADER`: a proxy has ended the TLS and passes the client certificate on (RFC 9440). `SIGNATURE`:
    `Mdm-Signature` with an RSA key of 2048 bits."""

    HEADER = "header"
    SIGNATURE = "signature"

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment of a service that believes it."""
        if self is Proof.HEADER:
            return {"CORRAL_IDENTITY": "header", "CORRAL_PROXY": "127.0.0.1/32"}
        return {"CORRAL_IDENTITY": "signature"}


CHECK_IN: Final = b"application/x-apple-aspen-mdm-checkin"
REPORT: Final = b"application/x-apple-aspen-mdm; charset=UTF-8"


class Prover:
    """Turns bodies into requests, signed beforehand where that is the proof."""

    def __init__(self, proof: Proof, workshop: Workshop) -> None:
        self._proof = proof
        self._workshop = workshop

    async def requests(self, kind: bytes, bodies: Sequence[tuple[Device, bytes]]) -> list[bytes]:
        """A request for each body, in the same order; `kind` is the Content-Type."""
        if self._proof is Proof.SIGNATURE:
            signatures = await self._workshop.sign([(device.signer, body) for device, body in bodies])
            proofs = [b"Mdm-Signature: " + signature for signature in signatures]
        else:
            proofs = [b"Client-Cert: :" + base64.b64encode(device.signer.certificate) + b":" for device, _ in bodies]
        return [_request(kind, proof, body) for proof, (_, body) in zip(proofs, bodies, strict=True)]


def _request(kind: bytes, proof: bytes, body: bytes) -> bytes:
    return (
        b"PUT /mdm HTTP/1.1\r\nHost: mdm.example.org\r\nAccept: */*\r\nUser-Agent: MDM/1.0\r\n"
        b"Content-Type: %b\r\n%b\r\nContent-Length: %d\r\n\r\n%b" % (kind, proof, len(body), body)
    )
