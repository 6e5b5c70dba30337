"""Packages as they lie on the disk: what they say of themselves is read within bounds, and every chunk has a digest."""

import hashlib
import plistlib
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cli.failure import Failure
from corral.cli.packages import package
from corral.cli.packages.package import digest, read_package

INFO = {
    "CFBundleIdentifier": "org.example.app",
    "CFBundleVersion": "42",
    "CFBundleShortVersionString": "1.2",
    "CFBundleDisplayName": "Example",
    "MinimumOSVersion": "16.0",
}
DISTRIBUTION = b"""<?xml version="1.0"?><installer-gui-script minSpecVersion="2">
<title>Example</title><product id="org.example.product" version="2.1"/>
<pkg-ref id="org.example.component" version="2.0"/><allowed-os-versions><os-version min="13.0"/></allowed-os-versions>
</installer-gui-script>"""


def ipa(path: Path, info: Any = INFO, name: str = "Payload/Example.app/Info.plist") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Payload/Example.app/Example", b"\xca\xfe" * 1000)
        archive.writestr(name, info if isinstance(info, bytes) else plistlib.dumps(info, fmt=plistlib.FMT_BINARY))
        archive.writestr("Payload/Example.app/Frameworks/Other.framework/Info.plist", b"not this one")
    return path


def pkg(
    path: Path,
    name: str = "Distribution",
    content: bytes = DISTRIBUTION,
    *,
    signed: bool = True,
    size: int | None = None,
) -> Path:
    packed = zlib.compress(content)
    signature = '<signature style="RSA"><offset>0</offset><size>0</size></signature>' if signed else ""
    toc = zlib.compress(
        f'<?xml version="1.0"?><xar><toc>{signature}<file id="1"><name>{name}</name><data>'
        f"<length>{len(packed)}</length><offset>20</offset><size>{len(content) if size is None else size}</size>"
        '<encoding style="application/x-gzip"/></data></file></toc></xar>'.encode()
    )
    header = b"xar!" + (28).to_bytes(2) + (1).to_bytes(2) + len(toc).to_bytes(8) + (9999).to_bytes(8) + bytes(4)
    path.write_bytes(header + toc + bytes(20) + packed)
    return path


def test_an_archive_says_what_it_is(tmp_path: Path) -> None:
    facts = read_package(ipa(tmp_path / "app.ipa"))
    assert (facts.kind, facts.bundle_id, facts.version, facts.title) == ("mobile", "org.example.app", "42", "Example")
    assert (facts.minimum_os, facts.remark) == ("16.0", "")


def test_a_product_says_what_it_is(tmp_path: Path) -> None:
    facts = read_package(pkg(tmp_path / "app.pkg"))
    assert (facts.kind, facts.bundle_id, facts.version, facts.title) == ("mac", "org.example.product", "2.1", "Example")
    assert (facts.minimum_os, facts.remark) == ("13.0", "")


def test_what_a_mac_would_not_install_is_remarked(tmp_path: Path) -> None:
    assert "not signed" in read_package(pkg(tmp_path / "a.pkg", signed=False)).remark
    component = b'<pkg-info identifier="org.example.component" version="3"/>'
    facts = read_package(pkg(tmp_path / "b.pkg", "PackageInfo", component))
    assert (facts.bundle_id, facts.version) == ("org.example.component", "3")
    assert "productbuild" in facts.remark


def test_chunks_have_digests_that_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "CHUNK", 1000)
    path = tmp_path / "app.pkg"
    path.write_bytes(bytes(range(250)) * 10)
    found = digest(path, with_md5=True)
    chunks = [path.read_bytes()[start : start + 1000] for start in (0, 1000, 2000)]
    assert (found.size, found.chunk_size) == (2500, 1000)
    assert found.sha256s == tuple(hashlib.sha256(each).hexdigest() for each in chunks)
    assert len(found.md5s) == 3
    assert digest(path, with_md5=False).md5s == ()


@pytest.mark.parametrize("name", ["Payload/Info.plist", "Payload/A.app/Contents/Info.plist", "A.app/Info.plist"])
def test_an_archive_without_an_app_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Failure, match="0 apps"):
        read_package(ipa(tmp_path / "app.ipa", name=name))


def test_what_is_no_package_is_refused_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something else")
    with pytest.raises(Failure, match=r"neither an \.ipa nor a \.pkg"):
        read_package(path)
    with pytest.raises(Failure, match="Cannot read"):
        read_package(tmp_path / "nothing")
    with pytest.raises(Failure, match="too large"):
        read_package(ipa(tmp_path / "big.ipa", b" " * 2_000_000))
    with pytest.raises(Failure, match=r"Info\.plist cannot be read"):
        read_package(ipa(tmp_path / "bad.ipa", b"<plist"))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="unpacks to more"):
        read_package(pkg(tmp_path / "bomb.pkg", content=b" " * 50_000_000, size=1000))


def test_entities_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    bad = (
        f'<!DOCTYPE x [<!ENTITY s SYSTEM "{secret.as_uri()}">]><installer-gui-script><title>&s;</title>'
        '<product id="a" version="1"/></installer-gui-script>'
    )
    assert "secret" not in read_package(pkg(tmp_path / "a.pkg", content=bad.encode())).title


@given(st.binary(max_size=300), st.sampled_from([b"xar!", b"PK\x03\x04"]), st.integers(0, 400))
def test_damaged_packages_fail_in_one_way(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, start: bytes, at: int
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    good = (pkg(folder / "good") if start == b"xar!" else ipa(folder / "good")).read_bytes()
    (folder / "bad").write_bytes(start + good[4:at] + noise + good[at + len(noise) :])
    with suppress(Failure):
        read_package(folder / "bad")
