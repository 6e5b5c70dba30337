"""What must not be read by who has the disk is not on it in the clear."""

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import EscrowKind

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
        during = home.raw()
        seen = await store.devices.load(v.contact())
        assert seen.channel is not None
        assert (seen.channel.token, seen.channel.magic) == (SECRETS["push token"], "MAGIC-77d0e2")
        assert seen.escrow == {
            EscrowKind.UNLOCK_TOKEN: SECRETS["unlock token"],
            EscrowKind.BOOTSTRAP_TOKEN: SECRETS["bootstrap token"],
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
