"""Tokens, users and roles; and that somebody stays who may do everything."""

import asyncio
from dataclasses import replace

import pytest

from contract import values as v
from corral.store.access import ENDED_KEPT, AccessChange, Held, Outcome
from corral.store.store import Store

LATER = v.NOW + 1_000


def change(**fields: object) -> AccessChange:
    return AccessChange(at=v.NOW, **fields)  # pyright: ignore[reportArgumentType] - as each test gives them


async def told(store: Store) -> list[str]:
    return [each.event.type for each in await store.events.read(0, 100)]


async def test_tokens_are_found_by_their_digest_with_all_that_decides_about_them(store: Store) -> None:
    token = v.credential(permissions=("devices:read", "links:read"), created_by="ann")
    session = v.credential("K2", created_at=LATER, expires_at=LATER + 9, user_id="P1")
    of_role = v.credential("K3", created_at=LATER + 1, role="R1")
    await store.access.commit(change(role=v.role(), role_is_new=True))
    await store.access.commit(change(user=v.user(role="R1")))
    for each in (token, session, of_role):
        assert await store.access.commit(change(credential=each)) is Outcome.DONE
    assert await store.access.find(token.digest) == Held(token, None, None)
    assert await store.access.find(session.digest) == Held(session, v.user(role="R1"), v.role())
    assert await store.access.find(of_role.digest) == Held(of_role, None, v.role())
    assert await store.access.find(b"another") is None
    assert await store.access.credentials() == (of_role, session, token)


async def test_a_token_is_revoked_once(store: Store) -> None:
    await store.access.commit(change(credential=v.credential()))
    assert await store.access.commit(change(revoke="K1", events=(v.event("token.revoked"),))) is Outcome.DONE
    assert await store.access.commit(change(revoke="K1", events=(v.event("again"),))) is Outcome.MISSING
    assert await store.access.commit(change(revoke="nobody", events=(v.event("again"),))) is Outcome.MISSING
    assert await store.access.credentials() == (v.credential(revoked_at=v.NOW),)
    assert await told(store) == ["token.revoked"]


async def test_a_user_is_found_by_name_id_and_subject_and_is_the_only_one_of_each(store: Store) -> None:
    ann = v.user(name="ann", subject="https://idp#1", password="$argon2id$x")
    assert await store.access.commit(change(user=ann)) is Outcome.DONE
    assert await store.access.user("ann") == await store.access.user("P1") == ann
    assert await store.access.user_of("https://idp#1") == ann
    assert await store.access.user_of("") is None
    for taken in (v.user("P2", name="ann"), v.user("P2", name="bob", subject="https://idp#1")):
        assert await store.access.commit(change(user=taken)) is Outcome.TAKEN
    assert await store.access.commit(change(user=v.user("P2", name="bob"))) is Outcome.DONE
    changed = replace(ann, role="operator", disabled_at=LATER)
    assert await store.access.commit(change(user=changed, user_was=ann)) is Outcome.DONE
    assert await store.access.commit(change(user=ann, user_was=ann)) is Outcome.STALE
    assert await store.access.commit(change(user=v.user("P9"), user_was=v.user("P9"))) is Outcome.STALE
    assert await store.access.users() == (changed, v.user("P2", name="bob"))


async def test_sessions_end_with_their_user_and_are_forgotten_when_over(store: Store) -> None:
    await store.access.commit(change(user=v.user()))
    for number in (1, 2, 3):
        await store.access.commit(change(credential=v.credential(f"K{number}", user_id="P1", expires_at=LATER)))
    await store.access.commit(change(credential=v.credential("T", expires_at=LATER)))
    await store.access.commit(change(end_sessions_of="P1"))
    assert {each.id for each in await store.access.credentials() if each.revoked_at is None} == {"T"}
    assert await store.access.forget_expired(LATER - 1, 10) == 0
    assert await store.access.forget_expired(LATER, 2) == 2
    assert await store.access.forget_expired(LATER, 2) == 1
    assert [each.id for each in await store.access.credentials()] == ["T"]


async def test_tokens_that_have_ended_long_ago_are_forgotten(store: Store) -> None:
    await store.access.commit(change(credential=v.credential("expired", expires_at=LATER)))
    await store.access.commit(change(credential=v.credential("revoked")))
    await store.access.commit(change(credential=v.credential("good", expires_at=LATER + ENDED_KEPT)))
    await store.access.commit(change(credential=v.credential("for ever")))
    await store.access.commit(AccessChange(at=LATER, revoke="revoked"))
    assert await store.access.forget_expired(LATER + ENDED_KEPT - 1, 10) == 0
    assert await store.access.forget_expired(LATER + ENDED_KEPT, 10) == 2
    assert {each.id for each in await store.access.credentials()} == {"good", "for ever"}


async def test_a_role_is_made_once_changed_and_removed_when_nobody_has_it(store: Store) -> None:
    assert await store.access.commit(change(role=v.role(), role_is_new=True)) is Outcome.DONE
    assert await store.access.commit(change(role=v.role(), role_is_new=True)) is Outcome.TAKEN
    wider = v.role(permissions=("devices:read",))
    assert await store.access.commit(change(role=wider)) is Outcome.DONE
    assert await store.access.commit(change(role=v.role("R2"))) is Outcome.MISSING
    assert await store.access.roles() == (wider,)
    await store.access.commit(change(credential=v.credential(role="R1", expires_at=LATER)))
    await store.access.commit(change(user=v.user(role="R1")))
    assert await store.access.commit(change(drop_role="R1")) is Outcome.IN_USE
    await store.access.commit(change(user=v.user(role="viewer"), user_was=v.user(role="R1")))
    assert await store.access.commit(change(drop_role="R1")) is Outcome.IN_USE
    assert await store.access.commit(AccessChange(at=LATER, drop_role="R1")) is Outcome.DONE
    assert await store.access.commit(AccessChange(at=LATER, drop_role="R1")) is Outcome.MISSING


async def test_nobody_gets_a_role_that_has_just_gone(store: Store) -> None:
    for gets in ({"user": v.user(role="R1")}, {"credential": v.credential(role="R1")}):
        asked = change(needs_role="R1", events=(v.event("never"),), **gets)
        assert await store.access.commit(asked) is Outcome.MISSING
    assert (await store.access.users(), await store.access.credentials(), await told(store)) == ((), (), [])
    await store.access.commit(change(role=v.role(), role_is_new=True))
    assert await store.access.commit(change(user=v.user(role="R1"), needs_role="R1")) is Outcome.DONE


LASTING = v.credential(role="administrator")
BOSS = v.user(role="administrator", password="$argon2id$")
TAKES_AWAY = {
    "revoke": change(revoke="K1", events=(v.event("never"),)),
    "disable": change(user=replace(BOSS, disabled_at=LATER), user_was=BOSS, events=(v.event("never"),)),
    "another role": change(user=replace(BOSS, role="viewer"), user_was=BOSS, events=(v.event("never"),)),
}


@pytest.mark.parametrize("how", sorted(TAKES_AWAY))
async def test_the_last_administrator_stays(how: str, store: Store) -> None:
    by_token = how == "revoke"
    first = {"credential": v.credential(role="administrator")} if by_token else {"user": BOSS}
    await store.access.commit(change(**first))
    await store.access.commit(change(credential=v.credential("old", role="administrator", expires_at=v.NOW)))
    assert await store.access.commit(TAKES_AWAY[how]) is Outcome.LAST
    assert await told(store) == []
    if not by_token:
        assert await store.access.users() == (BOSS,)
    await store.access.commit(change(credential=v.credential("K2", role="administrator")))
    assert await store.access.commit(TAKES_AWAY[how]) is Outcome.DONE


@pytest.mark.parametrize("how", sorted(TAKES_AWAY))
async def test_who_cannot_sign_in_or_will_be_gone_by_itself_does_not_stand_in_for_the_last(
    how: str, store: Store
) -> None:
    await store.access.commit(change(**({"credential": LASTING} if how == "revoke" else {"user": BOSS})))
    await store.access.commit(
        change(credential=replace(LASTING, id="K2", digest=v.fingerprint("K2"), expires_at=LATER + 1))
    )
    await store.access.commit(change(user=v.user("P2", name="no password", role="administrator")))
    assert await store.access.commit(TAKES_AWAY[how]) is Outcome.LAST
    await store.access.commit(change(user=v.user("P3", name="by the provider", role="administrator", subject="id#3")))
    assert await store.access.commit(TAKES_AWAY[how]) is Outcome.DONE


async def test_where_all_end_by_themselves_the_last_of_them_stays(store: Store) -> None:
    for key in ("K1", "K2"):
        ending = replace(LASTING, id=key, digest=v.fingerprint(key), expires_at=LATER + 1)
        await store.access.commit(change(credential=ending))
    assert await store.access.commit(change(revoke="K1")) is Outcome.DONE
    assert await store.access.commit(change(revoke="K2")) is Outcome.LAST


async def test_of_two_who_remove_each_other_one_stays(store: Store) -> None:
    for key in ("K1", "K2"):
        await store.access.commit(change(credential=v.credential(key, role="administrator")))
    outcomes = await asyncio.gather(*(store.access.commit(change(revoke=key)) for key in ("K1", "K2")))
    assert sorted(each.name for each in outcomes) == ["DONE", "LAST"]
