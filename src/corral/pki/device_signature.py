"""What a device signs with the certificate that Apple gave it when it was made (Apple: "MachineInfo").

It is how a device is known before it has an identity of ours. Such chains are old: their dates do not count, and the
purposes in them are Apple's own. The message bears no nonce, so whoever has one can send it again: it proves which
device once asked, and what is given for it is bound to that device.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from corral.apple.machine_info import MAX_MESSAGE
from corral.pki import cms
from corral.pki.trust import Trust, Untrusted

_ANY_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Every certificate has begun to be valid by then, and that it has expired is told apart from whether it is trusted."""


class DeviceSignatureError(ValueError):
    """A message that no device of Apple's has signed; the one line says why."""


@dataclass(frozen=True, slots=True)
class DeviceSigned:
    """What was signed, and by whom (DER). `doubt` says why it was no device of Apple's; empty if it was one."""

    content: bytes = field(repr=False)
    signer: bytes = field(repr=False)
    doubt: str = ""


class DeviceTrust:
    """Authorities that make device certificates: Apple's, or that of a stand-in. Without any, nobody is believed."""

    def __init__(self, roots: Sequence[x509.Certificate]) -> None:
        self._trust = Trust([], {"apple": roots}, factory=True)

    def read(self, message: bytes) -> DeviceSigned:
        """Open an attached CMS message of exactly one signer under one of the authorities.

        Raises DeviceSignatureError.
        """
        signed = self.open(message)
        if signed.doubt:
            raise DeviceSignatureError(signed.doubt)
        return signed

    def open(self, message: bytes) -> DeviceSigned:
        """The same of any signer: what it says proves nothing while there is a `doubt`.

        Raises DeviceSignatureError for what is no signed message.
        """
        if len(message) > MAX_MESSAGE:
            raise DeviceSignatureError(f"a signed message of more than {MAX_MESSAGE} bytes")
        try:
            content, signature = cms.verify_attached(message, MAX_MESSAGE)
        except cms.CmsError as error:
            raise DeviceSignatureError(str(error)) from None
        verdict = self._trust.judge(signature.certificate, signature.certificates, _ANY_TIME)
        doubt = f"not signed by a device of Apple's: {verdict.reason}" if isinstance(verdict, Untrusted) else ""
        return DeviceSigned(content, signature.certificate, doubt)
