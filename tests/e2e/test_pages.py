"""What people see of an enrollment link, in a browser that nobody here wrote."""

import asyncio
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from corral.pki import cms
from e2e.conftest import Start
from e2e.installation import Installation

BROWSER = shutil.which("chromium")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is missing: apt-get install chromium")

PROFILE = "application/x-apple-aspen-config"
LIGHT, DARK = "1", "0"


@pytest_asyncio.fixture(loop_scope="session")
async def client(corral: Installation) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=corral.tls) as made:
        yield made


async def browse(url: str, folder: Path, *options: str) -> str:
    """The document as the browser has it in the end."""
    assert BROWSER is not None
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--hide-scrollbars")
    done = await asyncio.to_thread(
        subprocess.run,
        [BROWSER, *flags, f"--user-data-dir={folder / 'browser'}", *options, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@needs_browser
@pytest.mark.parametrize(("scheme", "paper"), [(LIGHT, (0xF5, 0xF5, 0xF7)), (DARK, (0, 0, 0))])
async def test_a_link_shows_itself_in_both_schemes_and_on_a_phone(
    corral: Installation, tmp_path: Path, scheme: str, paper: tuple[int, int, int]
) -> None:
    picture = tmp_path / "page.png"
    await browse(
        await corral.link(),
        tmp_path,
        "--window-size=500,900",
        f"--screenshot={picture}",
        f"--blink-settings=preferredColorScheme={scheme}",
    )
    png = picture.read_bytes()
    assert struct.unpack(">II", png[16:24]) == (500, 900)
    assert first_pixel(png) == paper


@needs_browser
async def test_a_browser_finds_the_profile_behind_the_button(
    corral: Installation, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    page = await browse(await corral.link(), tmp_path, "--dump-dom")
    button = re.search(r'class="button" href="([^"]+)"', page)
    assert button is not None
    answer = await client.get(f"{corral.url}{button[1]}")
    assert answer.headers["content-type"] == PROFILE
    assert answer.headers["content-disposition"] == 'attachment; filename="enroll.mobileconfig"'
    assert b"com.apple.mdm" in cms.verify_attached(answer.content)[0]


async def test_who_accepts_a_profile_gets_it_at_once(corral: Installation, client: httpx.AsyncClient) -> None:
    link = await corral.link()
    for accept, kind in (
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        (PROFILE, PROFILE),
    ):
        assert (await client.get(link, headers={"accept": accept})).headers["content-type"] == kind
    first, second = [(await client.get(f"{link}/profile")).content for _ in range(2)]
    assert first != second, "each has a challenge of its own"
    assert (await client.head(link)).content == b""


async def test_pages_say_what_is_wrong_and_what_to_do(corral: Installation, client: httpx.AsyncClient) -> None:
    withdrawn = await corral.post("/links")
    await corral.delete(f"/links/{withdrawn['link']['id']}")
    spent = await corral.link()
    await corral.device().enroll(spent)
    for url, status, words in (
        (withdrawn["url"], 410, "withdrawn"),
        (spent, 410, "has been used"),
        (f"{corral.url}/enroll/{'x' * 32}", 404, "not known here"),
    ):
        for suffix in ("", "/profile"):
            answer = await client.get(url + suffix)
            assert answer.status_code == status
            assert words in answer.text
            assert "Ask the people who gave you this link for a new one." in answer.text


async def test_pages_are_kept_nowhere_and_framed_by_nobody(corral: Installation, client: httpx.AsyncClient) -> None:
    for url in (await corral.link(), f"{corral.url}/enroll/{'x' * 32}"):
        headers = (await client.get(url)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_names_are_text_and_never_markup(start: Start) -> None:
    at = await start({"CORRAL_ORGANIZATION": "<script>alert(1)</script> & Sons"})
    async with httpx.AsyncClient(verify=at.tls) as browser:
        page = (await browser.get(await at.link())).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_words_stand_out_from_what_is_behind_them(corral: Installation, client: httpx.AsyncClient) -> None:
    page = (await client.get(await corral.link())).text
    schemes = re.findall(r":root \{(.+?)\}", page)
    assert len(schemes) == 2
    for scheme in schemes:
        colors = dict(re.findall(r"--(\w+): (#\w+);", scheme))
        assert contrast(colors["ink"], colors["card"]) > 7
        assert contrast(colors["soft"], colors["card"]) > 4.5
        assert contrast("#ffffff", colors["accent"]) > 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: from 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def first_pixel(png: bytes) -> tuple[int, ...]:
    """The upper left one, which no filter of PNG changes but by what lies left of it and above: nothing."""
    data, at = b"", 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    return tuple(zlib.decompress(data)[1:4])
