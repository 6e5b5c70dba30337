"""What a device says of itself when it asks to be enrolled with an account: neither UDID nor serial number."""

from dataclasses import dataclass

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.plist import Limits, PlistError, parse_dict
from corral.pki import cms
from corral.pki.cms import CmsError

_MOST = 64 * 1024
_LIMITS = Limits(bytes=_MOST, depth=4, objects=256)
_FAMILIES = ("AppleTV", "iPad", "iPhone", "RealityDevice", "Watch")


class AskingError(ValueError):
    """No such request; the one line says why."""


@dataclass(frozen=True, slots=True)
class Asking:
    product: str
    build_version: str

    @property
    def family(self) -> str:
        """Apple's model family."""
        return next((each for each in _FAMILIES if self.product.startswith(each)), "Mac")


def read_asking(message: bytes) -> Asking:
    """Read the signed property list. Who signed it lets nobody in: the account does. Raises AskingError."""
    try:
        content, _ = cms.verify_attached(message, _MOST)
        keys = parse_dict(content, _LIMITS)
        return Asking(fields.text(keys, "PRODUCT"), fields.text(keys, "VERSION"))
    except (CmsError, PlistError, FieldError) as error:
        raise AskingError(str(error)) from None
