"""Apple's operating systems: which of them a product runs, and how their versions compare."""

import re
from enum import StrEnum


class Platform(StrEnum):
    """As Apple's schema names them; iPadOS and iPod touch count as iOS."""

    IOS = "iOS"
    MACOS = "macOS"
    TVOS = "tvOS"
    VISIONOS = "visionOS"
    WATCHOS = "watchOS"


# Before the digits of a product name (`iPad4,1`). Every Mac has "Mac" in its, but for the rack server.
_PRODUCT = re.compile(
    r"(?P<iOS>iPhone|iPad|iPod)|(?P<tvOS>AppleTV)|(?P<watchOS>Watch)|(?P<visionOS>RealityDevice)"
    r"|(?P<macOS>(?:[A-Za-z]*Mac|Xserve))"
)
_FAMILIES = ("AppleTV", "iPad", "iPhone", "iPod", "RealityDevice", "Watch")
_NUMBERS = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})")


def platform_of(product_name: str | None, model_name: str | None = None) -> Platform | None:
    """From ProductName (`MacBookPro18,3`), or from ModelName (`MacBook Pro`); None where neither tells."""
    for name in (product_name, model_name):
        match = _PRODUCT.match(name.replace(" ", "")) if name else None
        if match is not None and match.lastgroup is not None:
            return Platform(match.lastgroup)
    return None


def family_of(product_name: str) -> str:
    """Apple's model family, as `iPad`; empty for a product that is not known."""
    name = product_name.replace(" ", "")
    found = next((family for family in _FAMILIES if name.startswith(family)), "")
    return found or ("Mac" if platform_of(product_name) is Platform.MACOS else "")


def version(text: str) -> tuple[int, ...]:
    """For comparing: `17.6.1` is (17, 6, 1), `16.1 (a)` is (16, 1), and 17.0 equals 17. Raises ValueError."""
    match = _NUMBERS.match(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no version: it must begin like 17.6.1")
    numbers = [int(number) for number in match[1].split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def is_older(os_version: str, than: str) -> bool:
    return version(os_version) < version(than)
