"""A service just large enough for a device: it serves a link, issues identities, and does as a test tells it."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from corral.apple.plist import PlistValue, dump, parse_dict, repair
from corral.apple.profile import EnrollmentFacts, ScepIdentity, enrollment_profile
from corral.pki import cms, scep
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.pki.identity import signature_from_header
from corral.simulator.behaviour import Behaviour, Patience
from corral.simulator.device import Device, make_device
from corral.simulator.facts import Model
from corral.simulator.keys import KeyPool
from corral.simulator.transport import Detour, Transport
from corral.simulator.trust import Trust
from corral.simulator.world import Happening, World

ORIGIN = "https://mdm.example.com"
TOPIC = "com.apple.mgmt.External.5d1f7c3a-0000-4000-8000-000000000001"
PROFILE_TYPE = "application/x-apple-aspen-config"

Answer = tuple[int, str, bytes]
"""Status, Content-Type, body."""

EMPTY: Answer = (200, "", b"")


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a device; `kind` is its MessageType or Status."""

    kind: str
    keys: Mapping[str, PlistValue]
    headers: Mapping[str, str]
    path: str
    body: bytes
    signer: bytes | None


class FakeService:
    """`refusals` answer the next messages of a kind, each once; `heard` is all that devices said."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.facts = EnrollmentFacts(
            identifier="com.example.mdm",
            uuid=str(uuid.uuid4()).upper(),
            mdm_uuid=str(uuid.uuid4()).upper(),
            organization="Example",
            display_name="Example",
            server_url=f"{ORIGIN}/mdm",
            topic=TOPIC,
            check_in_url=f"{ORIGIN}/checkin",
            trust_roots=(authority.der,),
        )
        self.heard: list[Heard] = []
        self.refusals: dict[str, deque[Answer]] = {}
        self.commands: deque[bytes] = deque()
        self.delivered = b""
        self.deferred: list[bytes] = []
        self.capabilities = scep.CAPABILITIES
        self.page: Answer | None = None
        self.issued = 0
        self.requests: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- for tests

    def profile(self, **changes: object) -> bytes:
        """Signed but with `signed=False`; the other keywords are fields of EnrollmentFacts or ScepIdentity."""
        signed = changes.pop("signed", True)
        of_scep = {name: changes.pop(name) for name in list(changes) if name in ScepIdentity.__dataclass_fields__}
        source = replace(ScepIdentity(f"{ORIGIN}/scep", "ca"), **of_scep)  # pyright: ignore[reportArgumentType] - fields
        facts = replace(self.facts, **changes)  # pyright: ignore[reportArgumentType] - the fields of a dataclass
        plain = enrollment_profile(facts, source, "challenge", identity_uuid=str(uuid.uuid4()).upper())
        return cms.sign(plain, self.authority.certificate, self.authority.key) if signed else plain

    def queue(self, request_type: str, **keys: PlistValue) -> str:
        command = str(uuid.uuid4())
        self.commands.append(dump({"CommandUUID": command, "Command": {"RequestType": request_type, **keys}}))
        return command

    def refuse(self, kind: str, status: int, body: bytes = b"", content_type: str = "", times: int = 1) -> None:
        self.refusals.setdefault(kind, deque()).extend([(status, content_type, body)] * times)

    def kinds(self) -> list[str]:
        return [each.kind for each in self.heard]

    def of(self, kind: str) -> list[Heard]:
        return [each for each in self.heard if each.kind == kind]

    # -- HTTP

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                start, *lines = head.split("\r\n")
                method, target, _ = start.split(" ")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(f"{method} {target}")
                status, content_type, answer = self._answer(target, headers, body)
                kind = f"Content-Type: {content_type}\r\n" if (content_type and status < 300) or status >= 400 else ""
                if 300 <= status < 400:
                    kind = f"Location: {content_type}\r\n"
                writer.write(f"HTTP/1.1 {status} X\r\n{kind}Content-Length: {len(answer)}\r\n\r\n".encode() + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        url = urlsplit(target)
        match url.path:
            case "/enroll/link":
                return self.page or (200, "text/html", b"<a href='/enroll/link/profile'>Install</a>")
            case "/enroll/link/profile":
                return 200, PROFILE_TYPE, self.profile()
            case "/scep":
                return self._scep(parse_qs(url.query)["operation"][0], body)
            case _:
                return self._mdm(url.path, headers, body)

    def _scep(self, operation: str, body: bytes) -> Answer:
        if operation == "GetCACert":
            return 200, "application/x-x509-ca-cert", self.authority.der
        if operation == "GetCACaps":
            return 200, "text/plain", self.capabilities
        if self.refusals.get("PKIOperation"):
            return self.refusals["PKIOperation"].popleft()
        request = scep.read_request(body, self.authority)
        assert isinstance(request, scep.Request)
        self.issued += 1
        now = datetime.now(UTC)
        certificate = issue_identity(
            self.authority,
            request.public_key,
            common_name="device",
            connection=str(uuid.uuid4()),
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=365),
        )
        return 200, "application/x-pki-message", scep.reply_issued(request, self.authority, certificate)

    def _mdm(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        signer = None
        if "mdm-signature" in headers:
            signer = signature_from_header(headers["mdm-signature"].encode(), body).certificate
        keys = parse_dict(repair(body))
        kind = str(keys.get("MessageType") or keys["Status"])
        self.heard.append(Heard(kind, keys, headers, path, body, signer))
        if self.refusals.get(kind):
            return self.refusals[kind].popleft()
        if "Status" not in keys:
            return EMPTY
        if kind == "NotNow":
            self.deferred.append(self.delivered)
        if kind == "Idle":
            self.commands.extendleft(reversed(self.deferred))
            self.deferred.clear()
        if not self.commands:
            return EMPTY
        self.delivered = self.commands.popleft()
        return 200, "application/xml; charset=UTF-8", self.delivered


class FakePush:
    """Apple's push service without Apple: `push` wakes who listens with that magic."""

    def __init__(self) -> None:
        self.listening: dict[bytes, tuple[str, str, Callable[[], None]]] = {}
        self.away: set[bytes] = set()

    def register(self, token: bytes, topic: str, magic: str, wake: Callable[[], None]) -> None:
        self.listening[token] = (topic, magic, wake)

    def unregister(self, token: bytes) -> None:
        self.listening.pop(token, None)

    def offline(self, token: bytes) -> None:
        self.away.add(token)

    def online(self, token: bytes) -> None:
        self.away.discard(token)

    def push(self, token: bytes, magic: str) -> bool:
        listening = self.listening.get(token)
        if listening is None or listening[1] != magic:
            return False
        listening[2]()
        return True


@dataclass(slots=True)
class Stage:
    """A service, and devices before it."""

    service: FakeService
    push: FakePush
    world: World
    happenings: list[Happening] = field(default_factory=list[Happening])
    made: int = 0

    def device(self, model: Model = Model.IPHONE, os_version: str | None = "18.2", **behaviour: object) -> Device:
        self.made += 1
        values: dict[str, object] = {"patience": Patience(3, 0.01, 0.01), **behaviour}
        behaves = Behaviour(**values)  # pyright: ignore[reportArgumentType] - the fields of a dataclass
        return make_device(
            Random(self.made), self.world, model, number=self.made, behaviour=behaves, os_version=os_version
        )

    async def enrolled(
        self, model: Model = Model.IPHONE, os_version: str | None = "18.2", **behaviour: object
    ) -> Device:
        device = self.device(model, os_version, **behaviour)
        await device.enroll(self.service.profile())
        await device.settle()
        self.service.heard.clear()
        return device


@pytest.fixture(scope="session")
def authority() -> Authority:
    key = rsa.generate_private_key(65537, 2048)
    return create_authority("Example CA", datetime.now(UTC), key=key)


@pytest.fixture(scope="session")
def keys() -> KeyPool:
    return KeyPool()


@pytest.fixture
async def stage(authority: Authority, keys: KeyPool) -> AsyncIterator[Stage]:
    service, push = FakeService(authority), FakePush()
    await service.start()
    transport = Transport(connections=4, timeout=30, detours={ORIGIN: Detour("127.0.0.1", service.port)})
    happenings: list[Happening] = []
    world = World(transport, keys, push, Trust(system=False), observe=happenings.append)
    yield Stage(service, push, world, happenings)
    await transport.close()
    await service.stop()
