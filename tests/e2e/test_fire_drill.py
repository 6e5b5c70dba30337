"""The machine is lost: a backup, the sealing key and another machine bring the fleet back, and no device notices."""

import asyncio
import base64
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from corral.apple.plist import parse_dict
from corral.backup import Archive
from corral.cli.process import ServiceProcess
from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from e2e.conftest import Start
from e2e.installation import Installation, opened
from e2e.messages import enrollment_of, is_document, report
from postgres_server import fresh_database

PASSPHRASE = "a passphrase for a fire drill"


async def corral(at: Installation, *arguments: object, environment: dict[str, str] | None = None) -> str:
    """Run a command on the installation's machine, beside its service; what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "corral",
        *map(str, arguments),
        env={
            **os.environ,
            **at.service.environment,
            "CORRAL_BACKUP_PASSPHRASE": PASSPHRASE,
            **(environment or {}),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@asynccontextmanager
async def polling(devices: list[Device]) -> AsyncGenerator[list[int]]:
    """Devices that poll all the time; how often they did."""
    polls = [0] * len(devices)

    async def poll(number: int) -> None:
        while True:
            response = await report(devices[number])
            assert response.status == 200
            polls[number] += 1
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(poll(number)) for number in range(len(devices))]
    try:
        yield polls
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def lose_and_restore(at: Installation, archive: Path, place: Path, database: str | None) -> Installation:
    """The service is killed, its folder gone; the backup is restored in another one and served at the same address."""
    await at.service.kill()
    key = place.parent / "key-from-the-safe"
    key.write_bytes((at.data / "sealing.key").read_bytes())
    where = [] if database is None else ["--database", database]
    told = await corral(at, "restore", archive, "--data", place, "--sealing-key-file", key, *where)
    assert "all there" in told
    given = dict[str, str]()
    # What settings name beside the data folder is kept by whoever wrote the settings.
    for setting in ("CORRAL_APNS_CA", "CORRAL_ATTESTATION_ROOTS", "CORRAL_DEVICE_ROOTS"):
        file = Path(at.service.environment[setting])
        given[setting] = str(shutil.copy(file, place / file.name))
    at.data.rename(at.data.with_name("burnt"))
    environment = {**at.service.environment, **given}
    service = ServiceProcess(place, at.service.listen, environment)
    await service.start()
    return replace(at, service=service, api=service.admin())


@asynccontextmanager
async def stopped_in_the_end(service: ServiceProcess) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await service.stop()


def _postgres() -> Generator[str]:
    with fresh_database() as url:
        yield url


DATABASES: dict[str, Callable[[], AbstractContextManager[str | None]]] = {
    "sqlite": nullcontext,
    "postgres": contextmanager(_postgres),
}


@pytest.fixture(params=sorted(DATABASES))
def database(request: pytest.FixtureRequest) -> Generator[str | None]:
    """Where it is restored to."""
    with DATABASES[request.param]() as url:
        yield url


async def test_the_fleet_goes_on_after_the_machine_is_lost(start: Start, tmp_path: Path, database: str | None) -> None:
    before = await start()
    phones = [await before.enrolled() for _ in range(4)]
    mac = await before.enrolled(Model.MAC, "15.2", bootstrap_token=True)
    fleet = [*phones, mac]
    renewed, busy = phones[0], phones[1:3]
    queued = {each: await before.send(each, "ProfileList") for each in (renewed, phones[3], mac)}
    lives = {each: await before.life(each) for each in fleet}
    after = await before.cursor()

    archive = tmp_path / "corral.backup"
    async with polling(busy) as polls:
        told = await corral(before, "backup", "--data", before.data, "--out", archive)
    assert "verified" in told
    assert min(polls) > 3, "devices were served meanwhile"

    # What comes after the backup: a renewal, a command, a device.
    former = enrollment_of(renewed).identity
    await before.post(f"/devices/{renewed.facts.udid}/renew")
    await renewed.poll()
    assert enrollment_of(renewed).identity is not former
    assert (await before.outcome(queued[renewed]))["delivery"]["state"] == "acknowledged"
    newcomer = await before.enrolled()
    reader = await before.cursor()
    assert reader > after

    restored = await lose_and_restore(before, archive, tmp_path / "elsewhere", database)
    async with stopped_in_the_end(restored.service), restored.api:
        for device in fleet:
            await device.poll()
            assert device.state is State.ENROLLED
            assert device.complaints == []
            now = await restored.life(device)
            assert (now["id"], now["phase"]) == (lives[device]["id"], "connected")
        for uuid in queued.values():
            assert (await restored.outcome(uuid))["delivery"]["state"] == "acknowledged"
        assert {each: (await restored.kinds(each)).count("certificate.rebound") for each in fleet} == {
            each: int(each is renewed) for each in fleet
        }
        # A device that nobody knows any more is not told to leave either: it can be let in again.
        unknown = await report(newcomer)
        assert unknown.status == 400
        assert not is_document(unknown)

        # And it goes on: commands, renewals, and events after the last that anybody can have read.
        for device in fleet:
            sent = await restored.send(device, "ProfileList")
            assert parse_dict((await report(device)).body)["CommandUUID"] == sent
        await restored.post(f"/devices/{renewed.facts.udid}/renew")
        await renewed.poll()
        assert (await restored.life(renewed))["renewing_since"] is None
        fresh = await restored.get("/events", after=reader, limit=1000)
        types = {each["type"] for each in fresh["events"]}
        assert {"certificate.rebound", "connection.renewed"} <= types
        assert not [each for each in types if re.search("unenroll|refused|ended", each)]


async def test_a_backup_does_not_hold_the_sealing_key(start: Start, tmp_path: Path) -> None:
    at = await start()
    await at.enrolled()
    archive = tmp_path / "corral.backup"
    await corral(at, "backup", "--data", at.data, "--out", archive)
    assert os.stat(archive).st_mode & 0o777 == 0o600
    text = (at.data / "sealing.key").read_bytes().strip()
    with archive.open("rb") as file:
        content = Archive(file, PASSPHRASE.encode())
        plain = repr(content.header).encode() + content.header.settings.encode() + content.facts.seal
        values = [value for batch in content.read() for row in batch.rows for value in row]
    plain += b"".join(
        value if isinstance(value, bytes) else str(value).encode() for value in values if value is not None
    )
    assert at.url.encode() in plain, "this looks where things are"
    for secret in (text, base64.b64decode(text), at.template.token.encode()):
        assert secret not in plain
    async with opened(at) as store:
        key = await store.vault.get_secret("authority.key")
    assert key is not None
    assert key not in plain
