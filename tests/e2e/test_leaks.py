"""Every way in, every kind of secret, every kind of error, at the most talkative level, with metrics, events, webhooks,
audit trail and traces: of all that was secret nothing is in anything that was written.
"""

import asyncio
import base64
import json
import secrets as chance
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.apple.installed_profile import read_enrollment_profile
from corral.http.admin.routes import ENDPOINTS
from corral.simulator.ade.activating import activate
from corral.simulator.ade.service import AdeService
from corral.simulator.behaviour import User
from corral.simulator.contents import bypass_code_of
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.filevault import recovery_key
from corral.simulator.push_certificates import StandInApple
from e2e.account_place import ANN, PASSWORD, Place, place
from e2e.factory import begin, made
from e2e.installation import TOPIC, Installation, Template, on_future_path
from e2e.leaks import Secret, leaks
from e2e.messages import check_in, enrollment_of, report, update_token
from e2e.test_escrow import escrowing, obeyed, secrets_of
from otlp import Collector, collector
from receiver import Receiver, receiver
from samples import profile

STANDARD: dict[str, Any] = {"profile_name": "standard", "is_supervised": True}
FAILS = (
    "corral.service.mdm.checkin.CheckIn.answer",
    "corral.service.mdm.channel.Channel.answer",
    "corral.service.identities.scep_requests.ScepRequests.operate",
    "corral.service.acme.callers.Callers.register",
    "corral.service.commands.commanding.Commanding.send",
    "corral.service.access.sessions.UserSessions.begin",
    "corral.service.push.certificates.PushCertificates.import_",
    "corral.service.enrollment.enrolling.Enrolling.find_link",
    "corral.service.push.pushing.Pushing.push_due",
)
"""Where it is made to fail, with secrets in its hands."""


@dataclass
class Theatre:
    at: Installation
    people: Place
    apple: AdeService
    hooks: Receiver
    traces: Collector
    known: list[Secret] = field(default_factory=list[Secret])
    """What no one may find out."""
    answered: list[str] = field(default_factory=list[str])
    """Errors, as they were answered."""

    def learn(self, name: str, value: str | bytes, *, sealed: bool = True) -> None:
        raw = value.encode() if isinstance(value, str) else value
        assert len(raw) >= 6, f"{name} is too short to be looked for"
        self.known.append(Secret(name, raw, sealed=sealed))

    def learn_of(self, device: Device) -> None:
        for channel in enrollment_of(device).channels:
            self.learn("push token", channel.token)
            self.learn("push magic", channel.magic)

    async def fail(self, method: str, path: str, body: Any) -> None:
        answer = await self.at.api.request(method, path, json=body)
        assert answer.is_error, f"{method} {path}: {answer.text}"
        self.answered.append(answer.text)


@pytest_asyncio.fixture(loop_scope="session")
async def theatre(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Theatre]:
    folder = tmp_path_factory.mktemp("leaks")
    root = StandInApple.create(datetime.now(UTC))
    apple = AdeService(root)
    (folder / "ade.pem").write_bytes(root.root_pem)
    url = await apple.start()
    try:
        async with receiver(folder) as hooks:
            with collector() as traces:
                settings = {
                    **hooks.settings,
                    **traces.environment,
                    **on_future_path(),
                    "CORRAL_LOG_LEVEL": "debug",
                    "CORRAL_ADE_URL": url,
                    "CORRAL_ADE_CA": str(folder / "ade.pem"),
                    "CORRAL_ATTESTATION": "wanted",
                }
                async with place(template, tmp_path_factory.mktemp("people"), **settings) as people:
                    yield Theatre(people.corral, people, apple, hooks, traces)
    finally:
        await apple.stop()


async def people_and_programs(on: Theatre) -> None:
    at = on.at
    on.learn("first administrator", at.template.token)
    on.learn("secret of the identity provider's client", on.people.provider.client_secret or "")
    wanted = {"name": "second", "role": "administrator"}
    token = await at.api.post("/tokens", json=wanted, headers={"idempotency-key": chance.token_hex(8)})
    on.learn("token", token.json()["token"])
    passwords = [f"correct horse {chance.token_hex(6)}" for _ in range(3)]
    await at.post("/roles", name="desk", permissions=["devices:read"])
    await at.post("/users", name="bea", role="desk", password=passwords[0])
    async with on.people.client() as browser:
        session = await browser.post("/api/v1/sessions", json={"name": "bea", "password": passwords[0]})
        on.learn("session", session.json()["token"])
        wrong = await browser.post("/api/v1/sessions", json={"name": "bea", "password": passwords[1]})
        assert wrong.status_code == 401
        on.answered.append(wrong.text)
        changed = await browser.post(
            "/api/v1/sessions/current/password",
            json={"old": passwords[0], "new": passwords[2]},
            headers={"authorization": f"Bearer {session.json()['token']}"},
        )
        assert changed.is_success, changed.text
        nobody = await browser.get("/api/v1/status", headers={"authorization": f"Bearer corral_{passwords[1]}"})
        assert nobody.status_code == 401
        begun = (await browser.post("/api/v1/sign-ins")).json()
        on.answered.append(json.dumps({"detail": begun.get("detail", "")}))
    for number, password in enumerate(passwords):
        on.learn(f"password {number}", password)
    hook = await at.post("/webhooks", url=on.hooks.url)
    rotated = await at.post(f"/webhooks/{hook['webhook']['id']}/rotate", overlap=60)
    for name, answer in (("secret of a webhook", hook), ("its next one", rotated)):
        on.learn(name, base64.b64decode(answer["secret"].removeprefix("whsec_")))
    await at.post("/push-certificates/request", common_name="Example")


async def by_link(on: Theatre) -> tuple[Device, Device]:
    """A phone and a Mac with a person, and all that they give into keeping."""
    at = on.at
    bootstrap = chance.token_bytes(40)
    url = await at.link()
    on.learn("link", url.rpartition("/")[2])
    phone = at.device(supervised=True)
    raw = await fetch_profile(phone.voice, url, at.trust)
    scep = read_enrollment_profile(open_profile(raw).content).scep
    assert scep is not None
    on.learn("challenge", scep.challenge or "")
    await phone.enroll(raw)
    await phone.settle()
    mac = await at.enrolled(Model.MAC, "15.2", user=User("ada", "Ada", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A01"))
    await check_in(mac, "SetBootstrapToken", BootstrapToken=bootstrap)
    await check_in(mac, "GetBootstrapToken")
    on.learn("bootstrap token", bootstrap)
    unlock = enrollment_of(phone).device.unlock_token
    assert unlock is not None
    on.learn("unlock token", unlock[:48], sealed=False)
    first = await begin(at, phone)
    on.learn("challenge of the over-the-air enrollment", str(first.challenge))
    return phone, mac


async def by_acme(on: Theatre) -> Device:
    device = on.at.device()
    raw = await fetch_profile(device.voice, await on.at.link(identity="acme"), on.at.trust)
    acme = read_enrollment_profile(open_profile(raw).content).acme
    assert acme is not None
    on.learn("client identifier of ACME", acme.client_identifier)
    await device.enroll(raw)
    await device.settle()
    return device


async def by_account(on: Theatre) -> Device:
    device = on.at.device(Model.IPHONE)
    raw, bearer = await on.people.profile(device)
    on.learn("token of an account", bearer.access)
    on.learn("password of a person", PASSWORD, sealed=False)
    await device.enroll(raw)
    await device.settle()
    return device


async def by_purchase(on: Theatre) -> Device:
    at = on.at
    server = await at.post("/ade/servers", name="main")
    portal, file = on.apple.add_server("Corral", server["certificate"].encode())
    await at.post("/ade/servers/main/token", file=base64.b64encode(file).decode())
    for name in ("consumer_secret", "access_token", "access_secret"):
        on.learn(f"{name} of the server's token", getattr(portal.secrets, name))
    await at.post("/ade/servers/main/profiles", profile=STANDARD)
    await at.post("/ade/servers/main/default", profile="standard")
    device = at.device()
    portal.add_device(device.facts.serial_number)
    await at.post("/ade/servers/main/sync", whole=False)
    await activate(device, made(at, device), on.apple)
    await device.settle()
    answer = await check_in(device, "GetToken", TokenServiceType="com.apple.maid")
    assert answer.status == 200
    return device


async def commands(on: Theatre, phone: Device, mac: Device) -> None:
    at = on.at
    pin, firmware, wifi = "482915", f"firmware {chance.token_hex(6)}", f"wifi {chance.token_hex(6)}"
    unlock = enrollment_of(phone).device.unlock_token
    assert unlock is not None
    await obeyed(at, phone, "ClearPasscode", UnlockToken={"$data": base64.b64encode(unlock).decode()})
    uuid = await at.send(mac, "DeviceLock", PIN=pin)
    await mac.poll()
    await at.send(mac, "SetFirmwarePassword", NewPassword=firmware)
    await mac.poll()
    revealed = await at.post(f"/commands/{uuid}/reveal", device=mac.facts.udid, reason="a test")
    assert revealed["keys"]["PIN"] == pin
    stored = await at.post("/profiles", content=base64.b64encode(profile(Password=wifi)).decode())
    name = stored["profile"]["id"]
    await at.post(f"/profiles/{name}/install", devices=[phone.facts.udid])
    await phone.poll()
    await at.post("/profiles/lint", content=base64.b64encode(profile(Password=wifi)).decode(), platform="iOS")
    vault = await escrowing(at)
    await obeyed(at, phone, "ActivationLockBypassCode")
    await at.post(f"/devices/{vault.facts.udid}/filevault/rotate")
    on.learn("recovery key", recovery_key(vault.contents))
    await vault.poll()
    on.learn("next recovery key", recovery_key(vault.contents))
    on.learn("bypass code", bypass_code_of(phone.facts, phone.contents))
    assert len(await secrets_of(at, vault)) == 2
    assert await secrets_of(at, phone)
    for device in (phone, mac):
        await at.post(f"/devices/{device.facts.udid}/renew")
        await device.poll()
    on.learn("PIN", pin)
    on.learn("firmware password", firmware)
    on.learn("password of a network", wifi)


async def errors(on: Theatre, phone: Device, mac: Device) -> None:
    """What is wrong and holds secrets, of devices and of people."""
    at = on.at
    enrollment = enrollment_of(phone)
    magic, token = enrollment.device.magic, enrollment.device.token
    broken = enrollment.device.message(MessageType="TokenUpdate", Token=token, PushMagic=magic, Topic=7)
    link = next(each for each in on.known if each.name == "link").value.decode()
    bootstrap = next(each for each in on.known if each.name == "bootstrap token").value
    for answer in (
        await phone.voice.check_in(enrollment, broken),
        await phone.voice.check_in(enrollment, broken[:-40]),
        await phone.voice.report(enrollment, broken),
        await check_in(mac, "SetBootstrapToken", BootstrapToken=bootstrap.hex()),
        await check_in(phone, "GetToken", TokenServiceType="com.apple.nothing", SecurityToken=magic),
        await check_in(phone, "Unknown", BootstrapToken=bootstrap),
        await report(phone, "Acknowledged", CommandUUID="x" * 5000, UnlockToken=token),
        await update_token(phone, UnlockToken="not data"),
        await at.transport.request("GET", f"{at.url}/enroll/{link}", trust=at.trust),
        await at.transport.request("GET", f"{at.url}/enroll/{link}/nothing", trust=at.trust),
        await at.transport.request("POST", f"{at.url}/scep?operation={link}", body=bootstrap, trust=at.trust),
        await at.transport.request("POST", f"{at.url}/acme/new-account", body=bootstrap, trust=at.trust),
        await at.transport.request("GET", f"{at.url}/account/callback?state={link}&code={link}", trust=at.trust),
        await at.transport.request("POST", f"{at.url}/account/token", body=f"code={link}".encode(), trust=at.trust),
    ):
        on.answered.append(answer.body.decode("latin-1"))
    udid, password = phone.facts.udid, next(each for each in on.known if each.name == "password 0").value.decode()
    content = base64.b64encode(profile(Password=[password])).decode()
    await on.fail("POST", "/links", {"uses": link})
    await on.fail("POST", "/push-certificates", {"certificate": "x", "key": link})
    await on.fail("POST", "/ade/servers/main/token", {"file": base64.b64encode(password.encode()).decode()})
    await on.fail("POST", "/users", {"name": "carl", "role": password, "password": [password]})
    await on.fail("POST", "/users", {"name": "bea", "role": "desk", "password": password})
    await on.fail("POST", "/sessions", {"name": password, "password": password})
    await on.fail("POST", "/webhooks", {"url": f"https://bea:{password.replace(' ', '')}@localhost/"})
    await on.fail("POST", "/profiles", {"content": content})
    await on.fail("POST", "/commands", {"devices": [udid], "plist": base64.b64encode(password.encode()).decode()})
    await on.fail("POST", "/commands", {"devices": [udid], "request_type": "DeviceLock", "keys": [password]})
    wrong = {"request_type": "SetFirmwarePassword", "keys": {"NewPassword": [password]}}
    sent = await at.post("/commands", devices=[udid], **wrong)
    on.answered.append(json.dumps(sent))


async def shown(on: Theatre, devices: list[Device]) -> str:
    """Everything that is to be had from the API for looking, but where it is asked to hand something out."""
    at = on.at

    async def read(path: str, **query: str | int) -> str:
        return (await at.api.get(path, params=query)).text

    names: dict[str, list[str]] = {
        "device": [_name(each) for each in devices],
        "command": sorted({each["command_uuid"] for each in (await at.get("/commands", limit=500))["commands"]}),
        "link": [each["id"] for each in (await at.get("/links"))["links"]],
        "webhook": [each["id"] for each in (await at.get("/webhooks"))["webhooks"]],
        "profile": [each["id"] for each in (await at.get("/profiles"))["profiles"]] + ["standard"],
        "user": ["bea"],
        "server": ["main"],
        "event_type": ["link.created"],
        "request_type": ["DeviceLock"],
    }
    texts: list[str] = []
    for endpoint in ENDPOINTS:
        if endpoint.method != "GET" or endpoint.path in ("/events/stream", "/profiles/{profile}/content"):
            continue
        texts += [await read(endpoint.path.format_map(values)) for values in _all(names, endpoint.names)]
    for device in names["device"]:
        texts.append(await read(f"/devices/{device}/timeline", limit=500))
        texts += [await read(f"/commands/{command}/result", device=device) for command in names["command"]]
    texts += [await read("/events", limit=1000), await read("/audit", limit=500)]
    return "\n".join(texts)


def _name(device: Device) -> str:
    names = enrollment_of(device).device.names
    return names.get("UDID") or names["EnrollmentID"]


def _all(names: Mapping[str, list[str]], wanted: tuple[str, ...]) -> list[dict[str, str]]:
    """Every way to fill in these names."""
    found: list[dict[str, str]] = [{}]
    for name in wanted:
        found = [each | {name: value} for each in found for value in names.get(name, ["nothing"])]
    return found


async def failures(on: Theatre, phone: Device, mac: Device) -> None:
    """The same service, of which much fails now that should not: its log has the tracebacks."""
    at = on.at
    await at.service.stop()
    at.service.environment |= {"E2E_FAILS": ",".join(FAILS)}
    await at.service.start()
    link = next(each for each in on.known if each.name == "link").value.decode()
    bootstrap = next(each for each in on.known if each.name == "bootstrap token").value
    key = _key(at)
    for answer in (
        await check_in(mac, "SetBootstrapToken", BootstrapToken=bootstrap),
        await update_token(phone),
        await report(phone),
        await at.transport.request("GET", f"{at.url}/enroll/{link}", trust=at.trust),
        await at.transport.request("POST", f"{at.url}/scep?operation=PKIOperation", body=bootstrap, trust=at.trust),
    ):
        assert answer.status == 503, (answer.status, answer.body)
        on.answered.append(answer.body.decode("latin-1"))
    async with httpx.AsyncClient(verify=at.tls, base_url=at.url) as browser:
        password = next(each for each in on.known if each.name == "password 2").value.decode()
        answers = [await browser.post("/api/v1/sessions", json={"name": "bea", "password": password})]
        answers.append(await at.api.post("/push-certificates", json={"certificate": key, "key": key}))
        asked = {"devices": [mac.facts.udid], "request_type": "DeviceLock", "keys": {"PIN": "482915"}}
        answers.append(await at.api.post("/commands", json=asked))
        assert [each.status_code for each in answers] == [500, 500, 500]
        on.answered += [each.text for each in answers]


def _key(at: Installation) -> str:
    return at.template.push_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.slow
async def test_nothing_that_was_secret_is_in_anything_that_was_written(theatre: Theatre) -> None:
    on, at = theatre, theatre.at
    await people_and_programs(on)
    phone, mac = await by_link(on)
    devices = [phone, mac, await by_acme(on), await by_account(on), await by_purchase(on)]
    before = enrollment_of(phone).device.magic
    await commands(on, phone, mac)
    await update_token(phone)
    on.learn("former push magic", before)
    for device in devices:
        on.learn_of(device)
    await at.import_push_certificate(TOPIC)
    for number, line in enumerate(_key(at).splitlines()[3:9]):
        on.learn(f"line {number} of the key of the push certificate", line)
    await errors(on, phone, mac)
    looked_at = await shown(on, devices)
    running = b"".join(path.read_bytes() for path in sorted(at.data.glob("corral.db*")))
    await failures(on, phone, mac)
    looked_at += await shown(on, devices)
    await asyncio.sleep(1.2)  # what is flushed and sent meanwhile
    await at.service.stop()
    stopped = b"".join(path.read_bytes() for path in sorted(at.data.glob("corral.db*")))
    log = at.log()
    said = {
        "log": log.encode(),
        "answers": "\n".join(on.answered).encode(),
        "listings": looked_at.encode(),
        "webhooks": json.dumps(on.hooks.events).encode(),
        "traces": b"".join(on.traces.raw),
    }
    assert leaks(on.known, said) == []
    assert leaks([each for each in on.known if each.sealed], {"database": running + stopped}) == []
    # This looks where things are.
    lines = [json.loads(each) for each in log.splitlines()]
    events = {each["event"] for each in lines}
    assert events >= {"http.answered", "device.failed", "scep.failed", "admin.failed", "worker.failed", "traces.sent"}
    assert all("exception" in each for each in lines if each["event"] == "device.failed")
    for kind in ("command.queued", "escrow.stored", "connection.connected", "ade.server-added"):
        assert kind in looked_at
    assert {each["type"] for each in on.hooks.events} >= {"command.queued", "enrollment.admitted"}
    assert {"command.queue", "command.result", "POST"} <= {each.name for each in on.traces.spans}
    assert phone.facts.serial_number in looked_at
    assert ANN in looked_at
