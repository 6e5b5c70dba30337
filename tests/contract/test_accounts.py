"""Sessions of accounts and their tokens: found by their hash, good once or until they end, and forgotten."""

from dataclasses import replace

import pytest

from contract import values as v
from corral.store.accounts import AccountSession, AccountToken, TokenKind
from corral.store.marks import Mark
from corral.store.store import Store


def session(number: int = 1, **more: int) -> AccountSession:
    values: dict[str, int] = {"created_at": v.NOW, "expires_at": v.NOW + 1000, **more}
    return AccountSession(id=f"S{number}", account=f"{number}@example.org", subject=f"sub {number}", **values)


def token(
    name: str, number: int = 1, kind: TokenKind = TokenKind.ACCESS, expires_at: int = v.NOW + 100
) -> AccountToken:
    return AccountToken(digest=v.fingerprint(name), session_id=f"S{number}", kind=kind, expires_at=expires_at)


async def test_a_token_leads_to_its_session(store: Store) -> None:
    code = replace(token("code", kind=TokenKind.CODE), redirect_uri="apple-remotemanagement-user-login:/back")
    await store.accounts.add_session(session(), (token("access"), code))
    await store.accounts.add_session(session(2), ())
    assert await store.accounts.find(v.fingerprint("access")) == (token("access"), session())
    assert await store.accounts.find(v.fingerprint("code")) == (code, session())
    assert await store.accounts.find(v.fingerprint("guessed")) is None


async def test_a_token_is_spent_once(store: Store) -> None:
    await store.accounts.add_session(session(), (token("code"),))
    assert await store.accounts.spend(v.fingerprint("code"), v.NOW + 1)
    assert not await store.accounts.spend(v.fingerprint("code"), v.NOW + 2)
    assert not await store.accounts.spend(v.fingerprint("guessed"), v.NOW)
    found = await store.accounts.find(v.fingerprint("code"))
    assert found is not None
    assert found[0].spent_at == v.NOW + 1


async def test_tokens_are_added_together_or_not_at_all(store: Store) -> None:
    await store.accounts.add_session(session(), (token("one"),))
    assert await store.accounts.add_tokens((token("two"), token("three", kind=TokenKind.REFRESH)))
    assert not await store.accounts.add_tokens((token("four"), token("two")))
    assert await store.accounts.find(v.fingerprint("four")) is None
    assert await store.accounts.add_tokens((replace(token("state", kind=TokenKind.STATE), session_id=""),))
    assert not await store.accounts.add_tokens((replace(token("state", kind=TokenKind.STATE), session_id=""),))


async def test_sessions_are_listed_newest_first_and_revoked_once(store: Store) -> None:
    for number in (1, 2, 3):
        await store.accounts.add_session(session(number, created_at=v.NOW + number // 2), ())
    assert [each.id for each in await store.accounts.sessions(2, None)] == ["S3", "S2"]
    for mark in (Mark(v.NOW + 1, "S2"), Mark(v.NOW + 1, "S1")):
        assert [each.id for each in await store.accounts.sessions(2, mark)] == ["S1"], "also behind one that is gone"
    assert await store.accounts.revoke_session("S2", v.NOW + 5)
    assert not await store.accounts.revoke_session("S2", v.NOW + 6)
    assert not await store.accounts.revoke_session("S9", v.NOW)
    assert [each.revoked_at for each in await store.accounts.sessions(9, None)] == [None, v.NOW + 5, None]


@pytest.mark.parametrize("limit", [1, 10])
async def test_what_is_past_its_time_is_forgotten(store: Store, limit: int) -> None:
    await store.accounts.add_session(session(), (token("short"), token("long", expires_at=v.NOW + 1000)))
    assert await store.accounts.forget_expired(v.NOW + 99, limit) == 0
    assert await store.accounts.forget_expired(v.NOW + 100, limit) == 1
    assert await store.accounts.find(v.fingerprint("short")) is None
    assert await store.accounts.find(v.fingerprint("long")) is not None
    assert await store.accounts.forget_expired(v.NOW + 1000, limit) == 2
    assert await store.accounts.sessions(9, None) == ()
