"""How a device gets a profile: from a link or a file, and out of the signature around it."""

import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin

from cryptography.hazmat.primitives.asymmetric import rsa

from corral.apple.plist import PlistError, dump, parse, parse_dict
from corral.apple.profile import CONTENT_TYPE
from corral.pki import cms
from corral.simulator.identity import Identity
from corral.simulator.managed_apps import AppRefused, ManagedApps
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Unreachable
from corral.simulator.trust import Trust

_BROWSER: Final = "Mozilla/5.0 ({}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15"
_OFFERED: Final = re.compile(r"""href=["']([^"'<>\s]+/profile)["']""")


class InstallationFailed(Exception):
    """The device did not install a profile and is what it was before; the one line says why."""


@dataclass(frozen=True, slots=True)
class Download:
    """A profile's property list, and who signed it (DER), if anybody did."""

    content: bytes = field(repr=False)
    signer: bytes | None = field(repr=False)


async def fetch_profile(voice: Voice, link: str, trust: Trust) -> bytes:
    """The profile that an enrollment link leads to: at once, or from the page that it shows to people."""
    try:
        response = await _get(voice, link, trust)
        if response.status == 200 and _media_type(response) == "text/html":
            offered = _OFFERED.search(response.body.decode("utf-8", "replace"))
            where = urljoin(link, offered[1]) if offered else link.rstrip("/") + "/profile"
            response = await _get(voice, where, trust)
    except Unreachable as error:
        raise InstallationFailed(f"the profile cannot be had: {error}") from None
    if response.status != 200:
        raise InstallationFailed(f"the profile cannot be had: the link answers HTTP {response.status}")
    if _media_type(response) != CONTENT_TYPE:
        raise InstallationFailed(f"the link gives {_media_type(response) or 'no type'!r}, not {CONTENT_TYPE}")
    return response.body


async def _get(voice: Voice, url: str, trust: Trust) -> Response:
    agent = _BROWSER.format("Macintosh; Intel Mac OS X 10_15_7" if voice.facts.is_mac else voice.facts.model.value)
    headers = (("Accept", f"text/html,{CONTENT_TYPE}"), ("User-Agent", agent))
    return await voice.transport.request("GET", url, headers=headers, trust=trust)


def _media_type(response: Response) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


async def get_apps(voice: Voice, apps: ManagedApps, trust: Trust) -> None:
    """Get the manifests that commands have named, and install what they describe or tell that it failed."""
    while apps.waiting:
        url, keys = apps.waiting.pop(0)
        try:
            response = await voice.transport.request("GET", url, trust=trust)
            if response.status != 200:
                raise AppRefused("NotAnApp")
            apps.take(response.body, keys)
        except (AppRefused, Unreachable):
            apps.fail(keys)


def open_profile(raw: bytes, holder: Identity | None = None) -> Download:
    """Take a profile out of its signature, which must hold; one without a signature is taken as it is.

    `holder` is whom it may be enclosed for (EncryptedPayloadContent). Raises InstallationFailed.
    """
    download = _unsigned(raw)
    return download if holder is None else replace(download, content=_disclosed(download.content, holder))


def _disclosed(content: bytes, holder: Identity) -> bytes:
    try:
        keys = parse_dict(content)
        enclosed_content = keys.pop("EncryptedPayloadContent", None)
        if not isinstance(enclosed_content, bytes) or not isinstance(holder.key, rsa.RSAPrivateKey):
            return content
        opened = cms.decrypt(enclosed_content, holder.parsed, holder.key).content
        del keys["IsEncrypted"]
        return dump({**keys, "PayloadContent": parse(opened)})
    except (PlistError, cms.CmsError, KeyError) as error:
        raise InstallationFailed(f"the profile is enclosed, and not for this device: {error}") from None


def _unsigned(raw: bytes) -> Download:
    if raw.lstrip()[:5] == b"<?xml" or raw.startswith(b"bplist"):
        return Download(raw, None)
    try:
        content, signature = cms.verify_attached(raw)
    except cms.CmsError as error:
        raise InstallationFailed(f"the profile's signature does not hold: {error}") from None
    return Download(content, signature.certificate)
