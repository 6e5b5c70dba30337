"""Whatever comes through a device's doors, a whole service answers: never with a failure of its own, and nothing of it
is in the way of the next."""

import base64
import plistlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from corral.app import initialize
from corral.lifecycle.state import DAY
from corral.sealing import make_key_file
from corral.settings import read_settings
from e2e.authorities import ForeignAuthority
from fuzz import acme_readers, apple_readers, pki_readers
from fuzz.mutating import Mutations
from inprocess import Installation, opened

INPUTS = 60
"""At each door."""
TOPIC = "com.apple.mgmt.External.doors"


@dataclass(frozen=True)
class Door:
    """Where bytes go in: the body of a request, a header of it, a part of its address."""

    name: str
    samples: Callable[[], Sequence[bytes]]
    method: str
    path: str
    put: str = "body"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def _texts(*texts: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [each.encode() for each in texts]


def _of(room: Sequence[Any], name: str) -> Callable[[], Sequence[bytes]]:
    """The samples that a reader of the table has."""
    return next(each.samples for each in room if each.name.endswith(f".{name}"))


_SAID = _of(apple_readers.READERS, "read_checkin")
_SIGNED = _of(pki_readers.READERS, "DeviceTrust.open")
_JWS = _of(acme_readers.READERS, "read_request")
CHECKIN = {"content-type": "application/x-apple-aspen-mdm-checkin"}
REPORT = {"content-type": "application/xml"}
JOSE = {"content-type": "application/jose+json"}

DOORS = (
    Door("check-in", _SAID, "PUT", "/mdm", headers=CHECKIN),
    Door("check-in, its own address", _SAID, "PUT", "/checkin"),
    Door("report", _SAID, "PUT", "/mdm", headers=REPORT),
    Door("proxy's header", _of(pki_readers.READERS, "certificate_from_header"), "PUT", "/mdm", "Client-Cert", REPORT),
    Door("bearer", _texts("Bearer abc", "Basic YTpi"), "PUT", "/mdm", "Authorization", REPORT),
    Door("content type", _texts(*CHECKIN.values()), "PUT", "/mdm", "Content-Type"),
    Door("SCEP", _of(pki_readers.READERS, "read_request"), "POST", "/scep?operation=PKIOperation"),
    Door("SCEP by GET", _of(pki_readers.READERS, "read_message_parameter"), "GET", "/scep?", "address"),
    Door("SCEP's authority", _texts("operation=GetCACert&message=x"), "GET", "/scep?", "address"),
    Door("automated", _SIGNED, "POST", "/enroll/automated"),
    Door("accept", _texts("text/xml;q=0.9, application/json"), "POST", "/enroll/automated", "Accept"),
    Door("over the air", _SIGNED, "POST", "/enroll/{link}/over-the-air"),
    Door("link", _texts("abc", "abc/profile", "abc/over-the-air"), "GET", "/enroll/", "address"),
    Door("manifest", _texts("abc/def/manifest.plist"), "GET", "/apps/", "address"),
    Door("ACME account", _JWS, "POST", "/acme/new-account", headers=JOSE),
    Door("ACME order", _JWS, "POST", "/acme/new-order", headers=JOSE),
    Door("ACME challenge", _JWS, "POST", "/acme/challenge/abc", headers=JOSE),
    Door("ACME address", _texts("order/abc", "certificate/abc"), "POST", "/acme/", "address", JOSE),
    Door("API", _texts("Bearer corral_abc"), "GET", "/api/v1/devices", "Authorization"),
)


@dataclass
class Place:
    at: Installation
    device: str
    """Its certificate, as the proxy sends it."""
    link: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    """A service behind a proxy, before which a device of somebody else's authority is connected."""
    folder = tmp_path_factory.mktemp("doors")
    authority = ForeignAuthority()
    (folder / "foreign.pem").write_bytes(authority.pem)
    given = {
        "data": folder / "data",
        "public_url": "https://mdm.example.org",
        "identity": "header",
        "proxy": "127.0.0.1",
        "authorities": {"foreign": folder / "foreign.pem"},
        "admission": "trusted-identity",
    }
    settings = read_settings(given)
    settings.data.mkdir()
    make_key_file(settings.sealing_key_file)
    now = int(datetime.now(UTC).timestamp() * 1000)
    await initialize(settings, lambda: now - DAY)
    async with opened(settings, now) as at:
        der = authority.issue(ec.generate_private_key(ec.SECP256R1()))
        found = Place(at, f":{base64.b64encode(der).decode()}:", "")
        found.link = (await at.post("/links", {}))["url"].rpartition("/")[2]
        for said in (
            {"MessageType": "Authenticate", "Topic": TOPIC, "UDID": "D", "OSVersion": "18.2", "SerialNumber": "S"},
            {"MessageType": "TokenUpdate", "Topic": TOPIC, "UDID": "D", "Token": b"\1" * 32, "PushMagic": "m"},
        ):
            assert await say(found, said) == 200
        yield found


async def say(place: Place, said: Mapping[str, object], headers: Mapping[str, str] = CHECKIN) -> int:
    url = "https://mdm.example.org/mdm"
    given = {"Client-Cert": place.device, **headers}
    return (await place.at.remote.put(url, content=plistlib.dumps(said), headers=given)).status_code


async def push(place: Place, door: Door, data: bytes) -> httpx.Response:
    path = door.path.replace("{link}", place.link)
    headers = [(b"Client-Cert", place.device.encode()), *((k.encode(), v.encode()) for k, v in door.headers.items())]
    body = data if door.put == "body" else b""
    if door.put == "address":
        path += "".join(f"%{byte:02x}" if byte < 0x21 or byte > 0x7E or byte == 0x23 else chr(byte) for byte in data)
    elif door.put != "body":
        name = door.put.encode()
        # What a header cannot hold no server lets through.
        value = bytes(byte for byte in data if byte >= 0x20 and byte != 0x7F)
        headers = [each for each in headers if each[0].lower() != name.lower()] + [(name, value)]
    return await place.at.remote.request(door.method, f"https://mdm.example.org{path}", headers=headers, content=body)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("door", DOORS, ids=[each.name for each in DOORS])
async def test_nothing_that_comes_through_a_door_breaks_the_service(place: Place, door: Door) -> None:
    with capture_logs() as logs:
        for data in islice(Mutations(door.samples(), door.name), INPUTS):
            try:
                answer = await push(place, door, data)
            except (httpx.InvalidURL, httpx.LocalProtocolError):
                continue  # no client could send it
            failed = [each for each in logs if each["log_level"] in ("error", "critical")]
            assert not failed, (failed, data[:2000])
            assert answer.status_code != 500, data[:2000]
            assert "Traceback" not in answer.text
            if answer.status_code == 401:
                assert door.name == "API", "only a bad token of the API is told so; a device would leave"
    assert await say(place, {"Status": "Idle", "UDID": "D"}, REPORT) == 200, "the device that is connected still is"
