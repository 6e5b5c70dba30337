"""Bearer tokens: shown once, kept as a hash, over when they are revoked or expired, never more than who made them."""

from dataclasses import replace

import pytest

from corral.lifecycle.operating import OperationRefused
from corral.service.access.caller import LOCAL_ADMINISTRATOR, Caller, CallerKind
from corral.service.access.credentials import Credentials, digest
from corral.service.access.permission import BUILT_IN, EVERYTHING, Permission
from corral.service.access.roles import Roles
from corral.service.errors import Forbidden, NotFound, RequestRefused
from corral.store.access import AccessChange, Held
from corral.store.store import Store
from service.fakes import NOW, Clock

OPERATOR = Caller(kind=CallerKind.TOKEN, id="T", name="bob", permissions=BUILT_IN["operator"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roles(store: Store, clock: Clock) -> Roles:
    return Roles(store.access, clock)


@pytest.fixture
def credentials(store: Store, roles: Roles, clock: Clock) -> Credentials:
    return Credentials(store.access, roles, clock)


async def test_a_token_is_random_and_only_its_hash_is_kept(credentials: Credentials) -> None:
    made, token = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer")
    _, other = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer")
    assert token != other
    assert token.startswith("corral_")
    assert len(token) > 40
    assert made.digest == digest(token)
    assert (made.name, made.created_at, made.created_by, made.revoked_at) == ("ann", NOW, "local administrator", None)
    assert token not in repr(await credentials.list())
    assert made.digest.hex() not in repr(made)
    assert len(await credentials.list()) == 2


async def test_it_lets_in_whoever_it_names_with_what_it_was_given(credentials: Credentials, roles: Roles) -> None:
    made, token = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer")
    assert await credentials.verify(token) == Caller(
        kind=CallerKind.TOKEN, id=made.id, name="ann", role="viewer", permissions=BUILT_IN["viewer"]
    )
    _, token = await credentials.create("ci", LOCAL_ADMINISTRATOR, permissions=[Permission.LINKS_READ])
    caller = await credentials.verify(token)
    assert caller is not None
    assert caller.permissions == {Permission.LINKS_READ}
    await roles.create("desk", [Permission.LINKS_READ, Permission.DEVICES_LOCK], LOCAL_ADMINISTRATOR)
    _, token = await credentials.create("desk", LOCAL_ADMINISTRATOR, role="desk")
    caller = await credentials.verify(token)
    assert caller is not None
    assert caller.permissions == {Permission.LINKS_READ, Permission.DEVICES_LOCK}
    await roles.change("desk", [Permission.LINKS_READ], LOCAL_ADMINISTRATOR)
    caller = await credentials.verify(token)
    assert caller is not None
    assert caller.permissions == {Permission.LINKS_READ}


async def test_a_token_lets_in_until_it_expires(credentials: Credentials, clock: Clock) -> None:
    _, token = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer", expires_at=NOW + 10)
    clock.now = NOW + 9
    assert await credentials.verify(token) is not None
    clock.now = NOW + 10
    assert await credentials.verify(token) is None


async def test_a_token_lets_in_until_it_is_revoked(credentials: Credentials) -> None:
    made, token = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer")
    await credentials.revoke(made.id, LOCAL_ADMINISTRATOR)
    assert await credentials.verify(token) is None
    with pytest.raises(NotFound, match=made.id):
        await credentials.revoke(made.id, LOCAL_ADMINISTRATOR)


async def test_nothing_else_lets_in(credentials: Credentials) -> None:
    _, token = await credentials.create("ann", LOCAL_ADMINISTRATOR, role="viewer")
    for other in (token[:-1], token + "A", token.upper(), "", "corral_"):
        assert await credentials.verify(other) is None


async def test_what_is_no_token_of_ours_is_not_even_looked_up(roles: Roles, clock: Clock, store: Store) -> None:
    looked: list[bytes] = []

    class Watched(type(store.access)):
        async def find(self, digest: bytes) -> Held | None:
            looked.append(digest)
            return None

    watched = Watched.__new__(Watched)
    credentials = Credentials(watched, roles, clock)
    for token in ("", "bearer", "x" * 1_000_000, "corral_" + "x" * 1_000_000):
        assert await credentials.verify(token) is None
    assert not looked
    assert await credentials.verify("corral_" + "x" * 121) is None
    assert len(looked) == 1


async def test_nobody_gives_what_they_do_not_have(credentials: Credentials, roles: Roles, store: Store) -> None:
    with pytest.raises(Forbidden, match=r"bob does not have .*devices:erase"):
        await credentials.create("x", OPERATOR, role="administrator")
    with pytest.raises(Forbidden, match="bob does not have devices:erase"):
        await credentials.create("x", OPERATOR, permissions=[Permission.DEVICES_READ, Permission.DEVICES_ERASE])
    await roles.create("eraser", [Permission.DEVICES_ERASE], LOCAL_ADMINISTRATOR)
    with pytest.raises(Forbidden):
        await credentials.create("x", OPERATOR, role="eraser")
    assert await credentials.list() == ()
    await credentials.create("x", OPERATOR, role="viewer")


async def test_nobody_takes_from_others_what_they_do_not_have(credentials: Credentials) -> None:
    made, token = await credentials.create("root", LOCAL_ADMINISTRATOR, role="administrator")
    with pytest.raises(Forbidden):
        await credentials.revoke(made.id, OPERATOR)
    assert await credentials.verify(token) is not None


async def test_the_last_administrator_stays(credentials: Credentials) -> None:
    first, _ = await credentials.create("first", LOCAL_ADMINISTRATOR, role="administrator")
    await credentials.create("all of it", LOCAL_ADMINISTRATOR, permissions=sorted(EVERYTHING))
    with pytest.raises(OperationRefused, match="administrator any more"):
        await credentials.revoke(first.id, LOCAL_ADMINISTRATOR)
    await credentials.create("second", LOCAL_ADMINISTRATOR, role="administrator")
    await credentials.revoke(first.id, LOCAL_ADMINISTRATOR)


@pytest.mark.parametrize("what", [{}, {"role": "viewer", "permissions": [Permission.LINKS_READ]}])
async def test_what_it_may_do_must_be_said_once(what: dict[str, object], credentials: Credentials) -> None:
    with pytest.raises(RequestRefused, match="a role, or a list"):
        await credentials.create("x", LOCAL_ADMINISTRATOR, **what)  # pyright: ignore[reportArgumentType] - wrong on purpose


async def test_a_role_that_is_not_there_gives_nothing(credentials: Credentials, store: Store) -> None:
    with pytest.raises(NotFound, match="no role nobody"):
        await credentials.create("x", LOCAL_ADMINISTRATOR, role="nobody")
    made, token = await credentials.create("x", LOCAL_ADMINISTRATOR, role="viewer")
    await store.access.commit(AccessChange(at=NOW, credential=replace(made, role="gone")))
    caller = await credentials.verify(token)
    assert caller is not None
    assert caller.permissions == frozenset()


async def test_a_permission_that_nobody_knows_any_more_allows_nothing(credentials: Credentials, store: Store) -> None:
    made, token = await credentials.create("x", LOCAL_ADMINISTRATOR, permissions=[Permission.LINKS_READ])
    await store.access.commit(
        AccessChange(at=NOW, credential=replace(made, permissions=("links:read", "everything:do")))
    )
    caller = await credentials.verify(token)
    assert caller is not None
    assert caller.permissions == {Permission.LINKS_READ}
