"""What has been asked for and not done yet."""

from contract import values as v
from corral.store.directory import Backlog
from corral.store.store import Store


async def test_nothing_is_behind_at_first(store: Store) -> None:
    assert await store.directory.backlog() == Backlog(commands=0, oldest_command=None, work={}, oldest_work={})


async def test_open_commands_and_waiting_work_are_counted(fleet: Store) -> None:
    before = await fleet.directory.backlog()
    await fleet.queue.enqueue(v.command("U1"), ["C1", "C2"])
    await fleet.queue.enqueue(v.command("U2"), ["C1"])
    await fleet.devices.exchange(v.report("U1"))
    await fleet.work.add("sweeping", ["one", "two"], v.NOW + 5)
    await fleet.work.add("sweeping", ["three"], v.NOW + 1)
    backlog = await fleet.directory.backlog()
    assert (before.commands, backlog.commands) == (0, 2)
    assert backlog.oldest_command == v.command("U2").created_at
    assert backlog.work["sweeping"] == 3
    assert backlog.oldest_work["sweeping"] == v.NOW + 1
