"""Which devices can make a key in their Secure Enclave and have Apple vouch for it.

Apple: "Managed Device Attestation for Apple devices": iOS, iPadOS and tvOS 16 with an A11 chip or later, macOS 14 with
Apple silicon, watchOS 9, visionOS 1.1.
"""

import re

from corral.apple.platform import Platform, is_older

_FROM = {
    Platform.IOS: "16",
    Platform.TVOS: "16",
    Platform.MACOS: "14",
    Platform.WATCHOS: "9",
    Platform.VISIONOS: "1.1",
}
# The first product of each name with such a chip; numbers grow with time. All iPads of 7 are older but have an A10.
_FIRST = {
    "iPhone": (10, 1),
    "iPad": (8, 1),
    "iPod": (99, 0),
    "AppleTV": (11, 1),
    "Watch": (1, 1),
    "RealityDevice": (14, 1),
    "Mac": (13, 1),
    "MacBookAir": (10, 1),
    "MacBookPro": (17, 1),
    "Macmini": (9, 1),
    "iMac": (21, 1),
}
_PRODUCT = re.compile(r"([A-Za-z]+)([0-9]{1,4}),([0-9]{1,4})")


def can_attest(product: str, platform: Platform | None, os_version: str | None) -> bool:
    """Whether a device of this product (`iPad14,8`) and system can; True where nothing says that it cannot."""
    if platform is not None and os_version is not None:
        try:
            if is_older(os_version, _FROM[platform]):
                return False
        except ValueError:
            pass
    match = _PRODUCT.fullmatch(product)
    if match is None:
        return True
    name, generation, variant = match[1], int(match[2]), int(match[3])
    if name == "VirtualMac":
        return False
    first = _FIRST.get(name)
    # Macs of names that Apple silicon never had (MacBook8,1, MacPro7,1, iMacPro1,1).
    return (generation, variant) >= first if first is not None else platform is not Platform.MACOS
