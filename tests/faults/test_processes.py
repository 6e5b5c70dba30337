"""Several processes on several machines are one service, and any of them can die."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from corral.cli.process import ServiceFailed, ServiceProcess, free_port, running
from corral.service.push.pushing import LEASE
from corral.simulator.device import State
from corral.simulator.identity import ProxyHeader
from crash.field import BEHIND_PROXY, gather_field
from e2e.installation import Installation, installation, make_template, until
from faults.machines import machine, port, way
from faults.proxy import Proxy
from faults.stage import stage
from postgres_server import Server, execute, fresh_database


@pytest.fixture
def database() -> Generator[str]:
    with fresh_database(durable=True) as url:
        yield url


@asynccontextmanager
async def first_machine(folder: Path, database: str) -> AsyncGenerator[Installation]:
    template = await asyncio.to_thread(make_template, folder / "template", database)
    async with installation(template, folder / "first", BEHIND_PROXY, plain=True, push_certificate=False) as corral:
        yield corral


async def test_any_process_goes_on_with_what_another_began(tmp_path: Path, database: str) -> None:
    async with (
        first_machine(tmp_path, database) as first,
        machine(first, tmp_path / "second", {"CORRAL_WORKERS": "2"}) as second,
        machine(first, tmp_path / "third") as third,
        third.admin() as admin,
    ):
        await first.import_push_certificate()
        link = (await admin.post("/links", json={})).json()["url"]
        device = first.device(quiet=False, proof=ProxyHeader())
        device.voice.transport = way(first, port(first.service))
        await device.enroll(link)
        await device.settle()

        device.voice.transport = way(first, port(second))
        asked = {"devices": [device.facts.udid], "request_type": "ProfileList"}
        uuid = (await admin.post("/commands", json=asked)).json()["command_uuid"]
        await device.poll()
        assert (await first.outcome(uuid))["delivery"]["state"] == "acknowledged"

        # The second alone, which was never told of a push certificate, wakes the device.
        await first.service.stop()
        await third.stop()
        async with second.admin() as api:
            woken = first.push.tally.delivered
            uuid = (await api.post("/commands", json=asked)).json()["command_uuid"]
            await until(lambda: first.push.tally.delivered > woken)
            await device.settle()
            assert (await api.get(f"/commands/{uuid}")).json()["deliveries"][0]["delivery"]["state"] == "acknowledged"
        assert device.state is State.ENROLLED
        assert device.complaints == []


async def test_what_a_dead_worker_has_begun_is_taken_over(tmp_path: Path, database: str) -> None:
    """Half of its pushes were delivered when it died, and half were not; it has written neither down."""
    async with first_machine(tmp_path, database) as first, Proxy(port(first.service)).listening() as front:
        await first.import_push_certificate()
        field = await gather_field(first, 40, 40, front.port)
        await asyncio.gather(*(device.enroll(field.link) for device in field.devices))
        await field.settle()
        await until(lambda: len(first.push.received) == 40)
        await asyncio.sleep(1)  # until that is written down
        first.push.received.clear()
        first.push.latency = 60
        first.push.silence_next(20)
        asked = {"devices": [device.facts.udid for device in field.devices], "request_type": "ProfileList"}
        uuid = (await first.post("/commands", **asked))["command_uuid"]
        await until(lambda: len(first.push.received) == 40)
        await first.service.kill()
        first.push.latency = 0

        async with machine(first, tmp_path / "second") as second, second.admin() as api:
            front.targets = [port(second)]
            await asyncio.sleep(1)
            assert len(first.push.received) == 40, "nobody touches what is leased"
            execute(database, f"UPDATE work SET free_at = free_at - {LEASE}")  # noqa: S608 - as if that time had passed
            await until(lambda: len(first.push.received) == 80)
            await field.settle()
            deliveries = (await api.get(f"/commands/{uuid}", params={"limit": 100})).json()["deliveries"]
            assert Counter(each["delivery"]["state"] for each in deliveries) == {"acknowledged": 40}
            await asyncio.sleep(1)
            sent = Counter(each.push.token for each in first.push.received)
            assert set(sent.values()) == {2}, "once more, and no more than that"


async def test_a_killed_worker_is_replaced_even_while_the_database_is_away(tmp_path: Path) -> None:
    server = Server(durable=True)
    server.start()
    try:
        async with stage(tmp_path, server.url, settings={"CORRAL_WORKERS": "2"}) as on_stage:
            service = on_stage.corral.service

            @asynccontextmanager
            async def killed() -> AsyncGenerator[None]:
                os.kill(_workers(service)[0], signal.SIGKILL)
                await until(lambda: len(_workers(service)) == 1)
                await until(lambda: len(_workers(service)) == 2)
                await asyncio.sleep(1)
                await asyncio.to_thread(server.stop)
                os.kill(_workers(service)[0], signal.SIGKILL)
                await asyncio.sleep(4)
                yield
                await asyncio.to_thread(server.start)

            await on_stage.endure(killed)
            await until(lambda: len(_workers(service)) == 2)
    finally:
        server.remove()


async def test_workers_end_with_their_supervisor(tmp_path: Path, database: str) -> None:
    async with first_machine(tmp_path, database) as first:
        async with machine(first, tmp_path / "second", {"CORRAL_WORKERS": "2"}) as second:
            workers = [psutil.Process(pid) for pid in _workers(second)]
            assert len(workers) == 2
            await second.kill()
            await until(lambda: not any(each.is_running() for each in workers))
            await second.start()
            workers = [psutil.Process(pid) for pid in _workers(second)]
        assert not any(each.is_running() for each in workers), "nor do they outlive its stop"


async def test_workers_that_cannot_start_end_the_service(tmp_path: Path, database: str) -> None:
    async with first_machine(tmp_path, database) as first:
        nowhere = {"CORRAL_WORKERS": "2", "CORRAL_DATABASE": f"postgresql://corral@127.0.0.1:{free_port()}/corral"}
        with pytest.raises(ServiceFailed, match=r"Cannot serve: Cannot use the database .*: it cannot be reached"):
            async with machine(first, tmp_path / "second", nowhere):
                pass


async def test_a_service_that_stops_leaves_the_socket_to_its_successor(tmp_path: Path, database: str) -> None:
    """On the same data folder: the new one is started before the old one is stopped, so that nobody is left waiting."""
    async with first_machine(tmp_path, database) as first:
        old = first.service
        async with running(ServiceProcess(old.data, f"127.0.0.1:{free_port()}", old.environment)) as successor:
            await until(lambda: first.log().count("corral.started") == 2)
            await old.stop()
            async with successor.admin() as admin:
                assert (await admin.get("/status")).status_code == 200
        assert not (old.data / "admin.sock").exists()


def _workers(service: ServiceProcess) -> list[int]:
    """Process ids, in the order of their start."""
    children = sorted(psutil.Process(service.pid).children(), key=lambda each: each.create_time())
    return [each.pid for each in children if each.status() != psutil.STATUS_ZOMBIE]
