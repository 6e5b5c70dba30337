"""What the demo plays, in its order, and the parts that it needs: service, push service, devices."""

import asyncio
import contextlib
import random
import shlex
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.cli.api_operator import ApiOperator
from corral.cli.demo.account import sign_in, with_ada
from corral.cli.demo.attested import enroll_attested
from corral.cli.demo.automated import unbox
from corral.cli.demo.inventoried import take_stock
from corral.cli.process import ServiceFailed, ServiceProcess, free_port
from corral.simulator.ade.service import AdeService
from corral.simulator.attesting import attestation_server
from corral.simulator.behaviour import Behaviour, User
from corral.simulator.device import Device, make_device
from corral.simulator.facts import Model
from corral.simulator.fleet import Feed, Fleet
from corral.simulator.identity_provider import IdentityProvider
from corral.simulator.keys import KeyPool
from corral.simulator.operator import OperatorFailed
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService
from corral.simulator.scenarios import SCENARIOS, Play, ScenarioFailed, run
from corral.simulator.transport import Transport
from corral.simulator.trust import Trust
from corral.simulator.world import Happening, State, World

TOPIC: Final = "com.apple.mgmt.External.corral-demo"
OLD_SYSTEM: Final = "16.7.10"
"""Of before the unrecognized-device document: this one must be told 401."""

ROLES: Final = (
    ("busy", Model.IPHONE),
    ("token-change", Model.IPAD),
    ("restore-same-device", Model.IPHONE),
    ("restore-other-device", Model.IPHONE),
    ("clone", Model.MAC),
    ("renew", Model.MAC),
    ("wipe", Model.IPAD),
    ("block", Model.IPHONE),
    ("end-obedient", Model.MAC),
    ("end-stubborn", Model.IPHONE),
    ("leave", Model.MAC),
)
"""Which scenario is played with what kind of device; the rest of the fleet just works."""


class View(Protocol):
    """What a person sees of it."""

    def step(self, title: str) -> None: ...
    def verified(self, line: str) -> None: ...
    def happened(self, happening: Happening) -> None: ...
    def says(self, line: str) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Stage(contextlib.AbstractAsyncContextManager["Stage"]):
    """A service over a fresh folder, the stand-in for Apple's push service, and devices that know both."""

    def __init__(self, folder: Path, count: int, view: View) -> None:
        self._folder = folder
        self._count = count
        self._view = view
        self._stack = contextlib.AsyncExitStack()
        self._random = random.Random(2026)  # noqa: S311 - devices, not secrets

    async def __aenter__(self) -> Self:
        self._apple = StandInApple.create(datetime.now(UTC))
        self._attester = attestation_server(datetime.now(UTC))
        self._push = PushService(self._apple)
        push_port = await self._push.start()
        self._stack.push_async_callback(self._push.stop)
        self._ade = AdeService(self._apple)
        await self._ade.start()
        self._stack.push_async_callback(self._ade.stop)
        self._people = IdentityProvider(self._apple)
        await self._people.start()
        self._stack.push_async_callback(self._people.stop)
        self._port = free_port()
        self._url = f"https://localhost:{self._port}"
        await self._initialize(push_port)
        self._service = ServiceProcess(self._folder, f"127.0.0.1:{self._port}")
        self._stack.push_async_callback(self._service.stop)
        try:
            await self._service.start()
        except ServiceFailed as error:
            await self._stack.aclose()
            raise ScenarioFailed(str(error)) from None
        self._client = await self._stack.enter_async_context(self._service.admin())
        self._operator = ApiOperator(self._client)
        keys = KeyPool()
        self._stack.callback(keys.close)
        feed = Feed()
        feed.listen(self._view.happened)
        trust = Trust().and_roots(((self._folder / "authority.der").read_bytes(),))
        self._world = World(
            transport=Transport(), keys=keys, push=self._push, trust=trust, observe=feed, attester=self._attester
        )
        self._stack.push_async_callback(self._world.transport.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def play(self) -> None:
        """Every step; raises ScenarioFailed at the first that does not happen as it should."""
        try:
            await self._play()
        except OperatorFailed as failure:
            raise ScenarioFailed(str(failure)) from None

    async def stay(self) -> None:
        """Go on as a fleet does, until Ctrl-C."""
        for line in (
            "",
            f"The service stays up at {self._url} until Ctrl-C. In another terminal, look at it:",
            f"  export CORRAL_DATA={shlex.quote(str(self._folder))}",
            "  .venv/bin/corral device list",
            f"  .venv/bin/corral device timeline {self._workers[0].facts.serial_number}",
            f"  .venv/bin/corral command send {self._workers[0].facts.serial_number} --type ProfileList",
            "  .venv/bin/corral doctor",
            f"or open an enrollment link in a browser: {await self._operator.create_link(uses=None)}",
        ):
            self._view.says(line)
        requests = ("DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ProfileList", "CertificateList")
        while True:
            await asyncio.sleep(1.0)
            device = self._random.choice(self._workers)
            if device.state is State.ENROLLED:
                request = self._random.choice(requests)
                keys = {"Queries": ["OSVersion", "DeviceName"]} if request == "DeviceInformation" else {}
                with contextlib.suppress(OperatorFailed):
                    await self._operator.send_command(device.facts.udid, request, keys)

    async def _initialize(self, push_port: int) -> None:
        from corral import app
        from corral.sealing import make_key_file
        from corral.settings import read_settings

        self._folder.mkdir(mode=0o700, parents=True)
        make_key_file(self._folder / "sealing.key")
        (self._folder / "apns.pem").write_bytes(self._apple.root_pem)
        (self._folder / "devices.pem").write_bytes(self._apple.devices.pem)
        (self._folder / "attestation.pem").write_bytes(self._attester.root_pem)
        (self._folder / "corral.toml").write_text(
            f'public_url = "{self._url}"\norganization = "Corral Demo"\n'
            f'apns_url = "https://127.0.0.1:{push_port}"\napns_ca = "{self._folder / "apns.pem"}"\n'
            f'ade_url = "{self._ade.url}"\nade_ca = "{self._folder / "apns.pem"}"\n'
            f'device_roots = "{self._folder / "devices.pem"}"\n'
            f'attestation_roots = "{self._folder / "attestation.pem"}"\n'
            f'oidc_ca = "{self._folder / "apns.pem"}"\n{with_ada(self._people, self._url)}'
        )
        settings = read_settings({"data": self._folder})
        await app.initialize(settings)
        async with app.build(settings) as corral:
            (self._folder / "authority.der").write_bytes(corral.authorities.current.der)

    async def _play(self) -> None:
        await self._step("service", "the service answers over TLS that its own authority vouches for", self._greet)
        await self._step("push certificate", "Apple's push certificate is imported", self._import)
        self._cast()
        await self._step("enroll", SCENARIOS["enroll"].title, self._enroll)
        await self._step("poll", SCENARIOS["poll"].title, self._ask_all)
        await self._step("inventory", "devices are asked for what they are and have", self._take_stock)
        await self._step("ade", "devices that were bought enroll by themselves", self._unbox)
        await self._step("acme", "a phone proves that its key is its own", self._attest)
        await self._step("account", "a person signs in on a phone of her own", self._sign_in)
        for name, _ in ROLES:
            await self._scenario(name)
        await self._step("policy", "the same restore under on_restore = refuse", self._refuse_restores)
        await self._step("end", "what the service knows in the end", self._count_up)

    async def _step(self, name: str, title: str, act: Callable[[], Awaitable[str]]) -> None:
        self._view.step(title)
        try:
            line = await act()
        except OperatorFailed as failure:
            raise ScenarioFailed(f"{name}: {failure}") from None
        self._view.verified(f"{name}: {line}")

    async def _scenario(self, name: str) -> None:
        device, others = self._actors[name]
        play = Play(self._operator)
        self._view.step(SCENARIOS[name].title)
        self._view.verified(f"{name}: {await run(SCENARIOS[name], play, device, *others)}")

    async def _greet(self) -> str:
        response = await self._world.transport.request("GET", f"{self._url}/readyz", trust=self._world.trust)
        if response.status != 200:
            raise ScenarioFailed(f"/readyz answered {response.status}")
        return f"ready at {self._url}, SQLite in {self._folder}"

    async def _import(self) -> str:
        key = await self._world.keys.take()
        certificate = self._apple.push_certificate(TOPIC, key.public_key(), datetime.now(UTC))
        topic = await self._operator.import_push_certificate(certificate, _pem(key), "it@example.org")
        return f"topic {topic}, of a stand-in for Apple that checks as Apple does"

    def _cast(self) -> None:
        """Make the devices: one for each role, and the others that just work."""
        self._actors: dict[str, tuple[Device, tuple[Device, ...]]] = {}
        numbers = iter(range(1, self._count + 1))
        for name, model in ROLES:
            system = OLD_SYSTEM if name == "end-stubborn" else None
            leading = self._make(next(numbers), model, os_version=system)
            others = tuple(self._make(1000 + leading.facts.number, model) for _ in range(SCENARIOS[name].others))
            self._actors[name] = leading, others
        kinds = (Model.IPHONE, Model.MAC, Model.IPAD, Model.APPLE_TV, Model.VISION)
        self._workers = [self._make(number, kinds[number % len(kinds)]) for number in numbers]
        leading = [device for device, _ in self._actors.values()]
        self._fleet = Fleet([*leading, *self._workers], concurrency=8)

    def _make(self, number: int, model: Model, os_version: str | None = None) -> Device:
        user = User(short_name="ada", long_name="Ada Lovelace") if model is Model.MAC and number < 1000 else None
        behaviour = Behaviour(user=user, bootstrap_token=model is Model.MAC)
        return make_device(self._random, self._world, model, number=number, behaviour=behaviour, os_version=os_version)

    async def _enroll(self) -> str:
        link = await self._operator.create_link(uses=None)
        tally = await self._fleet.enroll(link)
        if tally.failed:
            raise ScenarioFailed(f"{tally.failed} devices could not enroll: {tally.failures.most_common(1)[0][0]}")
        for device in self._fleet.devices:
            await Play(self._operator).reach(device, "connected")
        return f"{tally.done} devices: link, signed profile, SCEP, Authenticate, TokenUpdate"

    async def _unbox(self) -> str:
        self._bought = [self._make(2000 + number, model) for number, model in enumerate((Model.IPHONE, Model.IPAD))]
        return await unbox(self._operator, self._apple, self._ade, self._bought)

    async def _attest(self) -> str:
        self._attested = self._make(4000, Model.IPHONE)
        return await enroll_attested(self._operator, self._attested)

    async def _sign_in(self) -> str:
        self._hers = self._make(3000, Model.IPHONE)
        return await sign_in(self._operator, self._apple, self._hers, self._url)

    async def _ask_all(self) -> str:
        scenario = SCENARIOS["poll"]

        async def act(device: Device) -> str | None:
            try:
                await run(scenario, Play(self._operator), device)
            except ScenarioFailed as failure:
                return str(failure)
            return None

        tally = await self._fleet.each("answered", act)
        if tally.failed:
            raise ScenarioFailed(f"{tally.failed} devices: {tally.failures.most_common(1)[0][0]}")
        return f"{tally.done} devices were woken by a push and answered DeviceInformation"

    async def _take_stock(self) -> str:
        return await take_stock(self._operator, self._fleet.devices)

    async def _refuse_restores(self) -> str:
        """Under the other policy, which is set by starting the service again with it."""
        device = self._workers[-1]
        await self._restart({"CORRAL_ON_RESTORE": "refuse"})
        play = Play(self._operator, refuses_restores=True)
        line = await run(SCENARIOS["restore-same-device"], play, device)
        await self._restart({})
        return line

    async def _restart(self, environment: dict[str, str]) -> None:
        await self._service.stop()
        self._service.environment = environment
        try:
            await self._service.start()
        except ServiceFailed as error:
            raise ScenarioFailed(str(error)) from None

    async def _count_up(self) -> str:
        await self._fleet.settle()
        status = await self._operator.call("GET", "/status")
        counts: dict[str, int] = status["connections"]
        # A clone believes that it is enrolled; the service knows better.
        others = [other for name, (_, others) in self._actors.items() if name != "clone" for other in others]
        enrolled = sum(
            device.state is State.ENROLLED
            for device in (*self._fleet.devices, *self._bought, self._hers, self._attested, *others)
        )
        if counts.get("connected") != enrolled:
            raise ScenarioFailed(f"{enrolled} devices are enrolled, the service counts {counts}")
        complaints = [text for device in self._fleet.devices for text in device.complaints]
        if complaints:
            raise ScenarioFailed(f"devices complained: {complaints[0]}")
        pushes = self._push.tally.accepted
        return f"{counts['connected']} connected, {counts.get('ended', 0)} ended, {pushes} pushes, no complaint"


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
