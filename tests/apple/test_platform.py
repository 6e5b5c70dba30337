import pytest

from corral.apple.platform import Platform, is_older, platform_of, version


@pytest.mark.parametrize(
    ("product", "platform"),
    [
        *((name, Platform.IOS) for name in ("iPhone14,2", "iPad4,1", "iPod9,1")),
        *(
            (name, Platform.MACOS)
            for name in ("Mac14,2", "MacBookPro18,3", "MacBookAir10,1", "iMac17,1", "iMacPro1,1", "Macmini9,1")
        ),
        *((name, Platform.MACOS) for name in ("MacPro7,1", "VirtualMac2,1", "Xserve3,1")),
        ("AppleTV6,2", Platform.TVOS),
        ("Watch6,1", Platform.WATCHOS),
        ("RealityDevice14,1", Platform.VISIONOS),
        ("AudioAccessory5,1", None),
        ("", None),
        (None, None),
    ],
)
def test_the_product_tells_the_platform(product: str | None, platform: Platform | None) -> None:
    assert platform_of(product) is platform


def test_the_model_name_tells_where_the_product_does_not() -> None:
    assert platform_of(None, "MacBook Pro") is Platform.MACOS
    assert platform_of("?", "Apple TV") is Platform.TVOS
    assert platform_of("iPad4,1", "MacBook Pro") is Platform.IOS


@pytest.mark.parametrize(
    ("older", "newer"),
    [("9.3", "10.0"), ("10.9", "10.10"), ("17", "17.0.1"), ("17.6.1", "17.10"), ("16.1 (a)", "16.1.1"), ("26", "27.0")],
)
def test_versions_compare_as_numbers(older: str, newer: str) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


def test_trailing_zeros_mean_nothing() -> None:
    assert version("17.0.0") == version("17") == (17,)
    assert version("0") == (0,)


@pytest.mark.parametrize("bad", ["", "n/a", "x17", "." * 1000, "\u0661\u0667.0"])
def test_what_is_no_version_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        version(bad)
