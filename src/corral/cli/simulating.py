"""What `corral simulate` does: enroll a fleet, then play scenarios with it."""

import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.cli.api_operator import ApiOperator, connect
from corral.cli.failure import Failure, UsageFailure
from corral.cli.reach.access import Access
from corral.simulator.attesting import AttestationServer, attestation_server
from corral.simulator.behaviour import Behaviour
from corral.simulator.device import Device, make_device
from corral.simulator.fleet import Fleet, Tally, explain, make_fleet
from corral.simulator.identity import ProxyHeader
from corral.simulator.keys import KeyPool
from corral.simulator.life_events import change_push_token, restore_to_itself
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService
from corral.simulator.scenarios import SCENARIOS, Play, ScenarioFailed
from corral.simulator.scenarios import run as play
from corral.simulator.transport import Transport
from corral.simulator.trust import Trust
from corral.simulator.world import World

Act: TypeAlias = Callable[[Device], Awaitable[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`access` is the admin API, which most scenarios need; `seconds` is how long polling goes round (0: once)."""

    source: str
    devices: int
    scenarios: tuple[str, ...]
    seconds: float
    concurrency: int
    keys: int
    seed: int
    proxy_form: Literal["rfc9440", "escaped-pem"] | None
    proxy_header: str
    ca: Path | None
    push: str | None
    push_files: Path | None
    acme_files: Path | None
    access: Access | None


async def run(plan: Plan) -> list[Tally]:
    """A tally of the enrollments, and one of each scenario. Raises Failure where it cannot begin."""
    async with contextlib.AsyncExitStack() as stack:
        keys = KeyPool(plan.keys or None)
        stack.callback(keys.close)
        transport = Transport(connections=plan.concurrency)
        stack.push_async_callback(transport.close)
        push = await _serve_pushes(plan, stack)
        attester = make_acme_files(plan.acme_files) if plan.acme_files else None
        world = World(transport=transport, keys=keys, push=push, trust=_trust(plan.ca), attester=attester)
        proof = ProxyHeader(plan.proxy_header, plan.proxy_form) if plan.proxy_form else None
        fleet = make_fleet(
            world, plan.devices, seed=plan.seed, behaviour=Behaviour(proof=proof), concurrency=plan.concurrency
        )
        tallies = [await fleet.enroll(_source(plan.source))]
        enrolled = [device for device in fleet.devices if device.enrollment is not None]
        operator = None
        if plan.access is not None:
            operator = ApiOperator(await stack.enter_async_context(connect(plan.access)))
        for name in plan.scenarios:
            tally = await _play(name, plan, fleet, enrolled, world, operator)
            tallies.append(tally)
        await fleet.settle()
        return tallies


def _source(given: str) -> str | bytes:
    return given if given.startswith(("https://", "http://")) else Path(given).read_bytes()


async def _play(
    name: str, plan: Plan, fleet: Fleet, devices: list[Device], world: World, operator: ApiOperator | None
) -> Tally:
    if operator is not None and not (name == "poll" and plan.seconds):
        model = SCENARIOS[name].model
        fitting = [device for device in devices if model in (None, device.facts.model)]
        return await fleet.each(name, _asking(name, plan, world, operator), fitting)
    if name == "poll":
        return await fleet.poll(devices, seconds=plan.seconds or None)
    return await fleet.each(name, _alone(name), devices)


def _asking(name: str, plan: Plan, world: World, operator: ApiOperator) -> Act:
    """The whole scenario, verified from both ends."""
    scenario = SCENARIOS[name]
    dice = random.Random(plan.seed + 1)  # noqa: S311 - devices, not secrets

    async def act(device: Device) -> str | None:
        others = [
            make_device(dice, world, device.facts.model, number=plan.devices + device.facts.number)
            for _ in range(scenario.others)
        ]
        try:
            await play(scenario, Play(operator), device, *others)
        except ScenarioFailed as failure:
            return str(failure)
        return None

    return act


def _alone(name: str) -> Act:
    """What devices do by themselves, judged by the answers that they get."""

    async def act(device: Device) -> str | None:
        match name:
            case "token-change":
                return explain(await change_push_token(device))
            case "restore-same-device":
                return explain(await restore_to_itself(device, new_magic=True))
            case "leave":
                await device.leave()
                return None
            case _:
                raise UsageFailure(f"Scenario {name} asks the service too: give --url or --data.")

    return act


async def _serve_pushes(plan: Plan, stack: contextlib.AsyncExitStack) -> PushService | None:
    if plan.push is None:
        return None
    host, _, port = plan.push.rpartition(":")
    apple = make_push_files(plan.push_files) if plan.push_files else StandInApple.create(datetime.now(UTC))
    service = PushService(apple)
    try:
        await service.start(host or "127.0.0.1", int(port))
    except (OSError, ValueError) as error:
        raise Failure(f"Cannot listen on {plan.push} for pushes: {error}.") from None
    stack.push_async_callback(service.stop)
    return service


def make_push_files(folder: Path) -> StandInApple:
    """The stand-in for Apple whose authority is kept in the folder; made there, with a push certificate, if need be."""
    kept = folder / "apple.pem"
    if kept.exists():
        return StandInApple.from_pem(kept.read_bytes())
    apple = StandInApple.create(datetime.now(UTC))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "apns.pem").write_bytes(apple.root_pem)
    _write_push_certificate(apple, folder)
    kept.touch(0o600)
    kept.write_bytes(apple.pem())
    return apple


def make_acme_files(folder: Path) -> AttestationServer:
    """The stand-in for Apple's attestation servers whose keys are kept in the folder; made there, if need be."""
    kept = folder / "attester.pem"
    if kept.exists():
        return AttestationServer.from_pem(kept.read_bytes())
    attester = attestation_server(datetime.now(UTC))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "attestation.pem").write_bytes(attester.root_pem)
    kept.touch(0o600)
    kept.write_bytes(attester.pem())
    return attester


def _write_push_certificate(apple: StandInApple, folder: Path) -> None:
    """What the service under test imports in place of one from Apple, which the stand-in would not believe."""
    key = rsa.generate_private_key(65537, 2048)
    topic = f"com.apple.mgmt.External.{uuid.uuid4()}"
    secret = folder / "push.key"
    secret.touch(0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "push.pem").write_bytes(apple.push_certificate(topic, key.public_key(), datetime.now(UTC)))


def _trust(ca: Path | None) -> Trust:
    if ca is None:
        return Trust()
    try:
        roots = x509.load_pem_x509_certificates(ca.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageFailure(f"--ca {ca}: {error}") from None
    return Trust().and_roots(tuple(root.public_bytes(Encoding.DER) for root in roots))
