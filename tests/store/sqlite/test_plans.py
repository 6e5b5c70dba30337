"""However much history there is, what traffic runs is found by an index."""

import re
from typing import Any

from contract import values as v
from corral.apple.report import Status
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import Consequence, EscrowKind, Phase, Purpose
from corral.store.contacts import Attempt, Heard
from corral.store.directory import Facts
from corral.store.events import Place
from corral.store.sqlite import SqliteStore
from corral.store.sqlite.connecting import typed

SMALL = {"breaker", "push_certificate", "credential", "unenrolling", "json_each", "wanted"}
"""Tables of a handful of rows, which may be read whole."""

STARTS = re.compile(r"^(SELECT|INSERT|UPDATE|DELETE|WITH)")
SCANS = re.compile(r"^SCAN (\w+)")


async def work_through(store: SqliteStore) -> None:
    """Everything that messages of devices, workers and people on one device make a store do."""
    await store.grants.add_link(v.link(uses=None), b"digest")
    await store.vault.put_push_certificate(v.push_certificate())
    escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"x", at=1)
    await store.devices.commit(
        Change(
            device_id="D1",
            device=v.device(),
            connections=(v.connection(profile=b"facts"), v.connection("C0", phase=Phase.ENDED)),
            channels=(v.channel(), v.channel(user_id="jane")),
            certificates=(v.certificate(grant_id="G1"),),
            grant=v.grant(link_id="L1", profile=b"facts"),
            link_used="L1",
            escrow=(escrow,),
            result=v.result("gone"),
            enqueue=(v.enqueue("first"),),
            silence=("C0",),
            retire=("C1", v.fingerprint("cert 1")),
            unenrolling="C1",
            events=(v.event(),),
            work=(v.work(),),
        )
    )
    await store.devices.commit(Change(device_id="D1", expects=1, device=v.device()))
    await store.devices.commit(Change(device_id="D1", expects=2, grant=v.grant(version=1, purpose=Purpose.RENEW)))
    for uuid in ("U1", "U2"):
        await store.queue.enqueue(v.command(uuid, replaces_like=True), ["C1", "C1/jane"])
    jane = v.contact(user_id="jane", command_uuid="U1")
    for ask in (
        v.idle(),
        v.idle(jane),
        v.report("U1"),
        v.report("U2", Status.NOT_NOW),
        v.report("U1", contact=jane),
        v.report("first"),
    ):
        await store.devices.exchange(ask)
    await store.devices.load(v.contact("lost", named="C1"))
    await store.devices.load_connection("C1", 0)
    for after_idle in (True, False):
        await store.devices.next("C1", v.NOW, after_idle=after_idle)
        await store.devices.next("C1", v.NOW, after_idle=after_idle, only=frozenset({Consequence.RENEWAL}))
    await store.contacts.flush(
        [Heard(channel_id="C1", last_seen=v.NOW, count=1)],
        [Attempt(channel_id="C1", command_uuid="U1", at=v.NOW)],
    )
    await store.contacts.last_seen(["C1"])
    leased = await store.work.lease("push", v.NOW, v.NOW + 1, 10)
    await store.work.put_back([(work, v.NOW) for work in leased])
    await store.work.finish(await store.work.lease("push", v.NOW, v.NOW + 1, 10))
    await store.work.next_due("push")
    await store.work.push_targets(["C1"])
    await store.work.mark_unreachable("C1", v.TOKEN, "why", v.event())
    await store.work.unconfigured(v.NOW, 5)
    await store.grants.find_link(b"digest")
    await store.grants.grant_state("G1")
    await store.grants.certificates("C1")
    await store.queue.cancel("U1", "C1", v.event(), v.NOW)
    await store.queue.cancel("U1", None, v.event(), v.NOW)
    await store.queue.clear("C1", v.event(), v.NOW)
    await store.queue.expire(v.NOW, 10)
    await store.queue.list(device_id="D1", command_uuid=None, state=None, before=None, limit=5)
    await store.queue.list(device_id=None, command_uuid="U1", state=None, before=None, limit=5)
    await store.queue.results("U1", None)
    await store.directory.resolve("D1")
    await store.directory.device("D1")
    await store.directory.devices(search="D", phase=None, after=None, limit=5)
    everything = Facts(platform="iOS", os_version="17", model="iPhone16,1")
    await store.directory.devices(search=None, phase=None, after=None, limit=5, facts=everything)
    of_few = Facts(way="link", supervised=True)
    await store.directory.devices(search=None, phase=None, after=None, limit=5, facts=of_few)
    await store.events.read(0, 5)
    await store.events.timeline("D1", Place.of(v.NOW), 5)
    await store.devices.forget("D1")


async def test_no_statement_of_the_traffic_reads_a_table_whole(store: SqliteStore) -> None:
    seen: dict[str, Any] = {}

    def note(_cursor: object, statement: str, values: Any) -> bool:
        seen[statement] = values
        return True

    database = store._database  # pyright: ignore[reportPrivateUsage] - statements are seen where they run
    await store.events.append((v.event(),))
    await store.directory.counts()
    writer = database._writer  # pyright: ignore[reportPrivateUsage]
    connections: list[Any] = [database._reader, database._browser, writer._connection]  # pyright: ignore[reportPrivateUsage]
    for connection in connections:
        connection.set_exec_trace(note)
    await work_through(store)
    for connection in connections:
        connection.set_exec_trace(None)
    statements = sorted(each for each in seen if STARTS.match(each))
    assert len(statements) > 80
    explaining = database._browser  # pyright: ignore[reportPrivateUsage]
    assert explaining is not None
    whole: dict[str, str] = {}
    for statement in statements:
        for *_, step in typed(explaining).execute("EXPLAIN QUERY PLAN " + statement, seen[statement] or ()):
            scan = SCANS.match(step)
            if scan and scan[1] not in SMALL:
                whole[statement] = step
    assert not whole, "\n".join(f"{step}: {statement}" for statement, step in whole.items())
