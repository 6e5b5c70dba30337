"""A whole run: what was secret in it appears in no log, listing, event or error, and lies sealed on the disk."""

import asyncio
import base64

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.simulator.behaviour import User
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel
from corral.simulator.facts import Model
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.installing import read_profile
from e2e.conftest import Start
from e2e.installation import Installation, opened
from e2e.leaks import Secret, leaks
from e2e.messages import check_in, enrollment_of, report, update_token

ADA = User("ada", "Ada Lovelace", "0B5A9C0E-9F3B-4B64-8C6E-0C6E3F6D1A01")
PIN = "482915"
PASSWORD = "no sample of the description 4711"
BOOTSTRAP = b"a bootstrap token of forty bytes, no less"


async def live(at: Installation) -> tuple[list[Secret], list[Device]]:
    """Everything that makes or carries a secret is done once; those that were made outside of the service."""
    made = await at.post("/links")
    token = (await at.post("/tokens", name="a second administrator", role="administrator"))["token"]
    hook = await at.post("/webhooks", url="https://127.0.0.1:1/", types=["link.*"])
    await at.post(f"/webhooks/{hook['webhook']['id']}/test")
    phone = at.device(supervised=True)
    profile = await fetch_profile(phone.voice, made["url"], at.trust)
    await phone.enroll(profile)
    mac = await at.enrolled(Model.MAC, "15.2", user=ADA)
    await check_in(mac, "SetBootstrapToken", BootstrapToken=BOOTSTRAP)
    await check_in(mac, "GetBootstrapToken")
    unlock_token = enrollment_of(phone).device.unlock_token
    assert unlock_token is not None
    wanted = read_profile(open_profile(profile), None).scep
    assert wanted is not None
    assert wanted.challenge is not None
    await at.send(phone, "ClearPasscode", UnlockToken={"$data": base64.b64encode(unlock_token).decode()})
    await at.send(mac, "DeviceLock", PIN=PIN)
    await at.send(mac, "SetFirmwarePassword", NewPassword=PASSWORD)
    before = enrollment_of(phone).device.magic
    for device in (phone, mac):
        await at.post(f"/devices/{device.facts.udid}/renew")
        await device.poll()
    key = at.template.push_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return (
        [
            Secret("link", made["url"].rpartition("/")[2].encode()),
            Secret("first administrator", at.template.token.encode()),
            Secret("second administrator", token.encode()),
            Secret("webhook", base64.b64decode(hook["secret"].removeprefix("whsec_"))),
            Secret("challenge", wanted.challenge.encode()),
            Secret("bootstrap token", BOOTSTRAP),
            Secret("unlock token", unlock_token[:48], sealed=False),  # a command that is still kept holds it, too
            Secret("PIN", PIN.encode(), sealed=False),
            Secret("firmware password", PASSWORD.encode(), sealed=False),
            Secret("key of the push certificate", key[200:248]),
            Secret("former push magic", before.encode()),
            *(s for device in (phone, mac) for channel in enrollment_of(device).channels for s in of(channel)),
        ],
        [phone, mac],
    )


def of(channel: Channel) -> tuple[Secret, Secret]:
    return Secret("push token", channel.token), Secret("push magic", channel.magic.encode())


async def inner(at: Installation) -> list[Secret]:
    """Those that only the service knows; it is stopped for them."""
    async with opened(at) as store:
        authority = await store.vault.get_secret("authority.key")
        challenge_key = await store.vault.get_secret("challenge.key")
    assert authority is not None
    assert challenge_key is not None
    return [
        Secret("a line of the authority's key", authority.splitlines()[12]),
        Secret("challenge key", challenge_key),
        Secret("sealing key", (at.data / "sealing.key").read_bytes().strip()[:40]),
    ]


async def listings(at: Installation, devices: list[Device]) -> str:
    """Everything that the admin side shows, but what it is asked to hand out."""
    found = [
        (await at.api.get(path, params={"limit": 500} if limited else {})).text
        for path, limited in (
            ("/events", True), ("/links", True), ("/devices", True), ("/commands", True), ("/status", False),
            ("/push-certificates", False), ("/tokens", False), ("/webhooks", False), ("/breaker", False),
            ("/openapi.json", False),
        )
    ]  # fmt: skip
    commands = (await at.get("/commands", limit=500))["commands"]
    found += [(await at.api.get(f"/commands/{each['command_uuid']}")).text for each in commands]
    for device in devices:
        for path in (f"/devices/{device.facts.udid}", f"/devices/{device.facts.udid}/timeline"):
            found.append((await at.api.get(path)).text)
    return "\n".join(found)


async def errors(at: Installation, devices: list[Device], secrets: list[Secret]) -> str:
    """What is answered to messages that are wrong and hold secrets."""
    phone, mac = devices
    link, token = secrets[0].value.decode(), secrets[2].value.decode()
    enrollment = enrollment_of(phone)
    magic, push_token = enrollment.device.magic, enrollment.device.token
    broken = enrollment.device.message(MessageType="TokenUpdate", Token=push_token, PushMagic=magic, Topic=7)
    answers = [
        await phone.voice.check_in(enrollment, broken),
        await phone.voice.check_in(enrollment, broken[:-40]),
        await phone.voice.report(enrollment, broken),
        await check_in(mac, "SetBootstrapToken", BootstrapToken=BOOTSTRAP.decode()),
        await check_in(phone, "GetToken", TokenServiceType="com.apple.maid", SecurityToken=magic),
        await report(phone, "Acknowledged", CommandUUID="x" * 5000, UnlockToken=push_token),
        await update_token(phone, UnlockToken="not data"),
        await at.transport.request("GET", f"{at.url}/enroll/{link}", trust=at.trust),
    ]
    texts = [answer.body.decode("latin-1") for answer in answers]
    for path, body in (("/links", {"uses": token}), ("/push-certificates", {"certificate": "x", "key": link})):
        texts.append((await at.api.post(path, json=body)).text)
    return "\n".join(texts)


async def test_secrets_appear_nowhere(start: Start) -> None:
    at = await start({"CORRAL_LOG_LEVEL": "debug"})
    secrets, devices = await live(at)
    answered = await errors(at, devices, secrets)
    shown = await listings(at, devices)
    await asyncio.sleep(1.2)  # contacts are flushed meanwhile
    running = [(at.data / name).read_bytes() for name in ("corral.db", "corral.db-wal")]
    secrets += await inner(at)
    stopped = [path.read_bytes() for path in at.data.glob("corral.db*")]
    said = {
        "log": at.log().encode(),
        "listings": shown.encode(),
        "errors": answered.encode("utf-8"),
    }
    assert len(said["log"]) > 200
    assert devices[0].facts.serial_number in shown, "they do show something"
    assert leaks(secrets, said) == []
    stored = b"".join((*running, *stopped))
    assert devices[0].facts.serial_number.encode() in stored
    assert leaks([each for each in secrets if each.sealed], {"database": stored}) == []


async def test_files_are_for_their_owner_alone(corral: Installation) -> None:
    for path in corral.data.iterdir():
        if path.name in ("apns.pem", "attestation.pem", "devices.pem", "serve.log"):
            continue  # made by the tests
        assert path.stat().st_mode & 0o077 == 0, path.name
    assert corral.data.stat().st_mode & 0o077 == 0
