"""Manifests: what is written is what a device reads, and what no device could use is not written."""

import plistlib
from typing import Any

import pytest

from corral.apple.app_manifest import Manifest, ManifestError, Package, read_manifest, write_manifest

SHA = "a" * 64


def manifest(**package: Any) -> Manifest:
    plain: dict[str, Any] = {"url": "https://example.org/app.ipa", "size": 25, "chunk_size": 10, "sha256s": (SHA,) * 3}
    return Manifest(
        bundle_id="org.example.app", version="1.2", title="Example", package=Package(**{**plain, **package})
    )


def test_what_is_written_is_read_again() -> None:
    given = manifest(md5s=("b" * 32,) * 3)
    assert read_manifest(write_manifest(given)) == given


def test_it_has_the_keys_that_devices_look_for() -> None:
    (item,) = plistlib.loads(write_manifest(manifest()))["items"]
    assert item["assets"] == [
        {"kind": "software-package", "url": "https://example.org/app.ipa", "sha256-size": 10, "sha256s": [SHA] * 3}
    ]
    assert item["metadata"] == {
        "kind": "software",
        "bundle-identifier": "org.example.app",
        "bundle-version": "1.2",
        "title": "Example",
        "sizeInBytes": 25,
    }


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ({"url": "http://example.org/app.ipa"}, "https only"),
        ({"url": "https://"}, "https only"),
        ({"sha256s": (SHA,) * 2}, "2 digests sha256 for 3 chunks"),
        ({"sha256s": (SHA[1:],) * 3}, "64 hex digits"),
        ({"sha256s": ("A" * 64,) * 3}, "lower case"),
        ({"size": 0}, "sizes"),
        ({"size": 3000, "chunk_size": 1, "sha256s": (SHA,) * 3000}, "2,000 are the most"),
    ],
)
def test_what_no_device_could_use_is_not_written(package: dict[str, Any], told: str) -> None:
    with pytest.raises(ManifestError, match=told):
        write_manifest(manifest(**package))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<plist>",
        plistlib.dumps({}),
        plistlib.dumps({"items": ["x"]}),
        plistlib.dumps({"items": [{"assets": [{"kind": "icon"}], "metadata": {"kind": "software"}}]}),
        plistlib.dumps({"items": [{"assets": [{"kind": "software-package", "url": "https://a.example/"}]}]}),
        b"x" * 300_000,
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(content)
