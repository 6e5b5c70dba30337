"""An .ipa: a zip archive with `Payload/NAME.app/Info.plist`."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO

from corral.apple.plist import Limits, PlistError, PlistValue, parse_dict
from corral.cli.packages.facts import PackageError, PackageFacts

LARGEST_INFO = 1024 * 1024
MOST_ENTRIES = 200_000

_INFO = re.compile(r"Payload/[^/]{1,255}\.app/Info\.plist")
_LIMITS = Limits(bytes=LARGEST_INFO, depth=32, objects=20_000)


def read(file: BinaryIO) -> PackageFacts:
    """Raises PackageError and OSError. Of the archive only this one entry is unpacked, and no more than it may have."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise PackageError(f"an archive of {len(entries):,} entries")
            found = [each for each in entries if _INFO.fullmatch(each.filename)]
            if len(found) != 1:
                raise PackageError(f"{len(found)} apps in its Payload, where one is expected")
            with archive.open(found[0]) as entry:
                info = entry.read(LARGEST_INFO + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise PackageError(f"no readable .ipa: {error}") from None
    if len(info) > LARGEST_INFO:
        raise PackageError("its Info.plist is too large")
    try:
        keys = parse_dict(info, _LIMITS)
    except PlistError as error:
        raise PackageError(f"its Info.plist cannot be read: {error}") from None
    return PackageFacts(
        kind="mobile",
        bundle_id=_text(keys, "CFBundleIdentifier"),
        version=_text(keys, "CFBundleVersion", "CFBundleShortVersionString"),
        title=_text(keys, "CFBundleDisplayName", "CFBundleName"),
        minimum_os=_text(keys, "MinimumOSVersion"),
    )


def _text(keys: Mapping[str, PlistValue], *names: str) -> str:
    return next((value for name in names if isinstance(value := keys.get(name), str) and value), "")
