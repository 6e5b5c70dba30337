import pytest

from corral.apple.attestable import can_attest
from corral.apple.platform import Platform, platform_of

ABLE = [
    ("iPhone10,3", "16.0"),
    ("iPhone17,3", "18.2"),
    ("iPad8,1", "16.1"),
    ("iPad14,8", "17.6.1"),
    ("AppleTV11,1", "16"),
    ("AppleTV14,1", "18.2"),
    ("RealityDevice14,1", "1.1"),
    ("Watch6,1", "9.0"),
    ("Mac14,2", "14.0"),
    ("MacBookAir10,1", "14.6.1"),
    ("MacBookPro17,1", "15.2"),
    ("MacBookPro18,3", "15.2"),
    ("Macmini9,1", "14.1"),
    ("iMac21,2", "26.0"),
]
UNABLE = [
    ("iPhone10,3", "15.8"),
    ("iPad7,11", "17.6.1"),
    ("iPad6,3", "16.7"),
    ("iPod9,1", "15.8"),
    ("AppleTV6,2", "18.2"),
    ("RealityDevice14,1", "1.0.3"),
    ("Watch6,1", "8.5"),
    ("Mac14,2", "13.7.1"),
    ("MacBookPro16,1", "15.2"),
    ("MacBookAir9,1", "14.6.1"),
    ("MacPro7,1", "15.2"),
    ("iMacPro1,1", "15.2"),
    ("iMac20,1", "14.0"),
    ("VirtualMac2,1", "15.2"),
]


@pytest.mark.parametrize(("product", "system"), ABLE)
def test_these_can(product: str, system: str) -> None:
    assert can_attest(product, platform_of(product), system)


@pytest.mark.parametrize(("product", "system"), UNABLE)
def test_these_cannot(product: str, system: str) -> None:
    assert not can_attest(product, platform_of(product), system)


@pytest.mark.parametrize("product", ["", "iPhone", "RealityDevice99,1", "Toaster1,1"])
def test_what_is_not_known_is_not_held_against_a_device(product: str) -> None:
    assert can_attest(product, None, None)
    assert can_attest(product, Platform.IOS, "no version")
