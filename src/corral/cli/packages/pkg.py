"""A .pkg: a xar archive, whose table of contents leads to `Distribution` or, of a bare component, `PackageInfo`."""

import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import lxml.etree

from corral.cli.packages.facts import PackageError, PackageFacts

MAGIC = b"xar!"
LARGEST_CONTENTS = 8 * 1024 * 1024
LARGEST_FILE = 2 * 1024 * 1024
LARGEST_OFFSET = 2**62
"""Beyond it no file can be looked into at all."""

_etree = cast(Any, lxml.etree)
_PARSER = _etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)


def read(file: BinaryIO) -> PackageFacts:
    """Raises PackageError and OSError."""
    header = file.read(28)
    if len(header) < 28 or header[:4] != MAGIC:
        raise PackageError("no xar archive")
    header_size, packed = int.from_bytes(header[4:6]), int.from_bytes(header[8:16])
    if header_size < 28 or packed > LARGEST_CONTENTS:
        raise PackageError("its table of contents is too large")
    file.seek(header_size)
    contents = _parse(_inflate(file.read(packed), LARGEST_CONTENTS))
    heap = header_size + packed
    signed = contents.find("./toc/signature") is not None or contents.find("./toc/x-signature") is not None
    files = {each.findtext("name"): each for each in contents.findall("./toc/file")}
    if "Distribution" in files:
        return _distribution(_parse(_content(file, files["Distribution"], heap)), signed)
    if "PackageInfo" in files:
        return _component(_parse(_content(file, files["PackageInfo"], heap)))
    raise PackageError("it holds neither a Distribution nor a PackageInfo")


def _distribution(root: Any, signed: bool) -> PackageFacts:
    """A product: its own id, else that of the first component with a version."""
    named = [each for each in root.iter("product") if each.get("id")]
    named += [each for each in root.iter("pkg-ref") if each.get("id") and each.get("version")]
    if not named:
        raise PackageError("its Distribution names no package")
    return PackageFacts(
        kind="mac",
        bundle_id=named[0].get("id"),
        version=_first(each.get("version") for each in named),
        title=(root.findtext("title") or "").strip(),
        minimum_os=_first(each.get("min") for each in root.iter("os-version")),
        remark="" if signed else "it is not signed, and a Mac installs only signed packages",
    )


def _component(root: Any) -> PackageFacts:
    return PackageFacts(
        kind="mac",
        bundle_id=root.get("identifier") or "",
        version=root.get("version") or "",
        remark="it is a bare component, and a Mac installs only products: make one with `productbuild`",
    )


def _content(file: BinaryIO, entry: Any, heap: int) -> bytes:
    """The bytes of a file of the archive."""
    try:
        offset, length, size = (int(entry.findtext(f"data/{name}") or "") for name in ("offset", "length", "size"))
    except ValueError:
        raise PackageError("its table of contents does not say where its files are") from None
    if offset < 0 or not 0 <= length <= LARGEST_FILE or not 0 <= size <= LARGEST_FILE:
        raise PackageError("what describes it is too large")
    if offset > LARGEST_OFFSET:
        raise PackageError("its table of contents leads beyond every file")
    file.seek(heap + offset)
    data = file.read(length)
    encoding = entry.find("data/encoding")
    style = encoding.get("style") if encoding is not None else "application/octet-stream"
    match style:
        case "application/octet-stream":
            return data
        case "application/x-gzip":  # as xar calls zlib
            return _inflate(data, LARGEST_FILE)
        case _:
            raise PackageError(f"what describes it is packed as {style}, which is not known here")


def _inflate(data: bytes, limit: int) -> bytes:
    try:
        unpacking = zlib.decompressobj()
        found = unpacking.decompress(data, limit + 1)
    except zlib.error as error:
        raise PackageError(f"damaged: {error}") from None
    if len(found) > limit:
        raise PackageError("it unpacks to more than is read")
    return found


def _parse(text: bytes) -> Any:
    try:
        return _etree.fromstring(text, _PARSER)
    except (_etree.LxmlError, ValueError) as error:
        raise PackageError(f"damaged: {' '.join(str(error).split())[:200]}") from None


def _first(values: Iterable[str | None]) -> str:
    return next((each for each in values if each), "")
