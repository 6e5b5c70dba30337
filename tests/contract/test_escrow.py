"""Every version of what a device has given into keeping is there, and goes to who asks for that device only."""

from contract import values as v
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind
from corral.store.store import Store


async def keep(store: Store, connection: str, kind: EscrowKind, value: bytes | None, at: int = v.NOW) -> None:
    escrow = Escrow(connection_id=connection, kind=kind, value=value, at=at)
    await store.devices.commit(Change(escrow=(escrow,), at=at))


async def test_versions_of_all_lives_newest_first_and_their_values(store: Store) -> None:
    for number in (1, 2):
        await store.devices.commit(v.enrolled(number))
    await keep(store, "C1", EscrowKind.BOOTSTRAP_TOKEN, b"one", v.NOW + 1)
    await keep(store, "C2", EscrowKind.BOOTSTRAP_TOKEN, b"another's", v.NOW + 2)
    await keep(store, "C1", EscrowKind.UNLOCK_TOKEN, b"two", v.NOW + 3)
    await keep(store, "C1", EscrowKind.BOOTSTRAP_TOKEN, None, v.NOW + 4)
    found = await store.escrow.versions("D1")
    assert [(each.kind, each.at, each.withdrawn, each.connection_id) for each in found] == [
        (EscrowKind.BOOTSTRAP_TOKEN, v.NOW + 4, True, "C1"),
        (EscrowKind.UNLOCK_TOKEN, v.NOW + 3, False, "C1"),
        (EscrowKind.BOOTSTRAP_TOKEN, v.NOW + 1, False, "C1"),
    ]
    assert [await store.escrow.value("D1", each.number) for each in found] == [None, b"two", b"one"]
    assert await store.escrow.value("D2", found[1].number) is None
    assert await store.escrow.versions("D3") == ()
