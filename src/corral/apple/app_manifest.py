"""Manifests of in-house apps: where a device gets the package, and what it must be (Apple: "Install Enterprise
Application Command", Manifest; "Distribute custom packages for Mac")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.plist import Limits, PlistError, PlistValue, dump, parse_dict

LIMITS = Limits(bytes=256 * 1024, depth=12, objects=8_000)
MOST_CHUNKS = 2_000


class ManifestError(ValueError):
    """A manifest that a device could not use; the one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """`sha256s` and `md5s` are digests, as hex, of chunks of `chunk_size` bytes; devices that know SHA-256 use that."""

    url: str
    size: int
    chunk_size: int
    sha256s: tuple[str, ...] = ()
    md5s: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    bundle_id: str
    version: str
    title: str
    package: Package


def write_manifest(manifest: Manifest) -> bytes:
    """As XML. Raises ManifestError."""
    package = manifest.package
    _check_url(package.url)
    asset: dict[str, PlistValue] = {"kind": "software-package", "url": package.url}
    for name, digests, length in (("sha256", package.sha256s, 64), ("md5", package.md5s, 32)):
        if digests:
            _check_digests(name, digests, length, package)
            asset |= {f"{name}-size": package.chunk_size, f"{name}s": list(digests)}
    metadata: dict[str, PlistValue] = {
        "kind": "software",
        "bundle-identifier": manifest.bundle_id,
        "bundle-version": manifest.version,
        "title": manifest.title,
        "sizeInBytes": package.size,
    }
    try:
        written = dump({"items": [{"assets": [asset], "metadata": metadata}]})
    except PlistError as error:
        raise ManifestError(f"manifest: {error}") from None
    if len(written) > LIMITS.bytes:
        raise ManifestError(f"a manifest of {len(written):,} bytes; take larger chunks, {LIMITS.bytes:,} are the most")
    return written


def read_manifest(data: bytes) -> Manifest:
    """Of its first item, as a device reads it; raises ManifestError."""
    try:
        return _read(parse_dict(data, LIMITS))
    except (PlistError, FieldError) as error:
        raise ManifestError(f"manifest: {error}") from None


def _read(keys: Mapping[str, PlistValue]) -> Manifest:
    item = _first(keys, "items")
    asset = next((each for each in _dictionaries(item, "assets") if each.get("kind") == "software-package"), None)
    metadata = item.get("metadata")
    if asset is None:
        raise FieldError("no asset of the kind software-package")
    if not isinstance(metadata, Mapping) or metadata.get("kind") != "software":
        raise FieldError("metadata must be a dictionary of the kind software")
    url = fields.text(asset, "url", 4096)
    _check_url(url)
    chunk_size, size = asset.get("sha256-size", asset.get("md5-size", 0)), metadata.get("sizeInBytes", 0)
    return Manifest(
        bundle_id=fields.text(metadata, "bundle-identifier"),
        version=fields.text(metadata, "bundle-version"),
        title=fields.text(metadata, "title"),
        package=Package(
            url=url,
            size=size if isinstance(size, int) else 0,
            chunk_size=chunk_size if isinstance(chunk_size, int) else 0,
            sha256s=_texts(asset, "sha256s"),
            md5s=_texts(asset, "md5s"),
        ),
    )


def _first(keys: Mapping[str, PlistValue], name: str) -> Mapping[str, PlistValue]:
    found = _dictionaries(keys, name)
    if not found:
        raise FieldError(f"{name} must be an array with a dictionary")
    return found[0]


def _dictionaries(keys: Mapping[str, PlistValue], name: str) -> list[Mapping[str, PlistValue]]:
    found = keys.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _texts(keys: Mapping[str, PlistValue], name: str) -> tuple[str, ...]:
    found = keys.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > 4096 or not url.isprintable():
        raise ManifestError(f"a device gets it over https only, not from {url[:100]!r}")


def _check_digests(name: str, digests: Sequence[str], length: int, package: Package) -> None:
    if package.chunk_size < 1 or package.size < 1:
        raise ManifestError("the sizes of the package and of its chunks must be told")
    wanted = -(-package.size // package.chunk_size)
    if len(digests) != wanted or wanted > MOST_CHUNKS:
        raise ManifestError(f"{len(digests)} digests {name} for {wanted} chunks; {MOST_CHUNKS:,} are the most")
    for digest in digests:
        if len(digest) != length or not all(each in "0123456789abcdef" for each in digest):
            raise ManifestError(f"a digest {name} must be {length} hex digits in lower case")
