"""What must not be read by who has the disk is not on it in the clear."""

import pytest
import zstandard

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import Consequence, EscrowKind
from corral.sealing import Sealer, SealError
from corral.store.bodies import open_command, open_result, seal_command, seal_result
from corral.store.devices import Next
from corral.store.store import Store

SECRETS = {
    "push token": b"TOKEN-f3a9c1",
    "push magic": b"MAGIC-77d0e2",
    "unlock token": b"UNLOCK-51b8aa",
    "bootstrap token": b"BOOTSTRAP-0c4e9f",
    "former bootstrap token": b"FORMER-BOOTSTRAP-81",
    "a secret of the vault": b"AUTHORITY-KEY-2b6d",
    "key of a push certificate": b"PUSH-KEY-9e1f07",
    "key of a server of ADE": b"ADE-KEY-61fe02",
    "token of a server of ADE": b"ADE-TOKEN-c09a3b",
    "PIN of a lock": b"PIN-93015b",
    "password in a large profile": b"WIFI-PASSWORD-4dd",
    "challenge of a renewal": b"CHALLENGE-e0c7",
    "bypass code in a result": b"BYPASS-1b77f0",
    "recovery key in a result of consequence": b"RECOVERY-5aa1",
}


async def test_no_secret_is_on_the_disk_in_the_clear(home: Home) -> None:
    async with home.open() as store:
        await store.devices.commit(v.enrolled())
        channels = [v.channel(user_id=user, token=SECRETS["push token"], magic="MAGIC-77d0e2") for user in ("", "jane")]
        escrow = [
            Escrow(connection_id="C1", kind=kind, value=SECRETS[name], at=1)
            for kind, name in (
                (EscrowKind.UNLOCK_TOKEN, "unlock token"),
                (EscrowKind.BOOTSTRAP_TOKEN, "former bootstrap token"),
                (EscrowKind.BOOTSTRAP_TOKEN, "bootstrap token"),
            )
        ]
        await store.devices.commit(Change(channels=tuple(channels), escrow=tuple(escrow), events=(v.event("CANARY"),)))
        await store.vault.put_secret("authority.key", SECRETS["a secret of the vault"])
        await store.vault.put_push_certificate(v.push_certificate(key_pem=SECRETS["key of a push certificate"]))
        await store.ade.put_server(
            v.ade_server(key_pem=SECRETS["key of a server of ADE"], token=SECRETS["token of a server of ADE"])
        )
        await _command_and_answer(store)
        during = home.raw()
        seen = await store.devices.load(v.contact())
        assert seen.channel is not None
        assert (seen.channel.token, seen.channel.magic) == (SECRETS["push token"], "MAGIC-77d0e2")
        assert seen.escrow == {
            EscrowKind.UNLOCK_TOKEN: SECRETS["unlock token"],
            EscrowKind.BOOTSTRAP_TOKEN: SECRETS["bootstrap token"],
        }
        assert await _bodies(store) == {
            "lock": (SECRETS["PIN of a lock"], SECRETS["bypass code in a result"]),
            "profile": (LARGE, None),
            "renewal": (SECRETS["challenge of a renewal"], SECRETS["recovery key in a result of consequence"]),
        }
        for text in (
            repr(seen),
            repr(await store.work.push_targets(["C1"])),
            repr(await store.vault.push_certificates()),
            repr(await store.ade.servers()),
        ):
            assert not [name for name, value in SECRETS.items() if value.decode() in text]
    after = home.raw()
    for raw in (during, after):
        assert b"CANARY" in raw, "this looks where things are"
        assert [name for name, value in SECRETS.items() if value in raw] == []
        assert b"owner@example.org" in raw, "an account is no secret"


LARGE = SECRETS["password in a large profile"] + b" and much else" * 1000


async def _command_and_answer(store: Store) -> None:
    """As people queue commands, as the life cycle does, as a device answers plainly, and with a consequence."""
    for uuid, body in (("lock", SECRETS["PIN of a lock"]), ("profile", LARGE)):
        await store.queue.enqueue(v.command(uuid, body=body), ["C1"])
    renewal = v.enqueue("renewal", body=SECRETS["challenge of a renewal"], consequence=Consequence.RENEWAL)
    await store.devices.commit(Change(enqueue=(renewal,)))
    await store.devices.exchange(v.report("lock", body=SECRETS["bypass code in a result"]))
    answered = v.result("renewal", body=SECRETS["recovery key in a result of consequence"])
    await store.devices.commit(Change(result=answered))


async def _bodies(store: Store) -> dict[str, tuple[bytes | None, bytes | None]]:
    found: dict[str, tuple[bytes | None, bytes | None]] = {}
    for uuid in ("lock", "profile", "renewal"):
        results = await store.queue.results(uuid, None)
        found[uuid] = await store.queue.command_body(uuid), results[0].body if results else None
    assert await store.devices.next("C1", v.NOW, after_idle=True) == Next("C1", "profile", LARGE)
    assert await store.devices.exchange(v.idle()) == Next("C1", "profile", LARGE)
    assert await store.devices.exchange(v.report("never queued")) == Next("C1", "profile", LARGE)
    return found


def test_a_body_that_was_moved_to_another_command_does_not_open() -> None:
    sealer = Sealer([b"sealing key of the contract test"])
    sealed = seal_command(b"<plist/>", "one", sealer)
    assert open_command(sealed, "one", sealer) == b"<plist/>"
    for moved in (lambda: open_command(sealed, "two", sealer), lambda: open_result(sealed, "one", sealer)):
        with pytest.raises(SealError, match="does not open"):
            moved()


@pytest.mark.parametrize("body", [b"<?xml?>", b"", b"\xff\xfe<", b"bplist00", b"x" * 5000])
def test_what_was_written_before_bodies_were_sealed_is_read_as_it_is(body: bytes) -> None:
    sealer = Sealer([b"sealing key of the contract test"])
    assert open_command(body, "one", sealer) == body
    assert open_result(zstandard.ZstdCompressor().compress(body), "one", sealer) == body
    assert open_command(seal_command(body, "one", sealer), "one", sealer) == body
    assert open_result(seal_result(body, "one", sealer), "one", sealer) == body
