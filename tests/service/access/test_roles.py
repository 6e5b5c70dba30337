"""Roles: what is built in, what people make of permissions, and what nobody may make."""

import pytest

from corral.lifecycle.operating import OperationRefused
from corral.service.access.caller import LOCAL_ADMINISTRATOR, Caller, CallerKind
from corral.service.access.credentials import Credentials
from corral.service.access.permission import BUILT_IN, EVERYTHING, Permission
from corral.service.access.roles import Roles
from corral.service.errors import Forbidden, NotFound
from corral.store.store import Store
from service.fakes import Clock

DANGEROUS = {
    Permission.DEVICES_ERASE,
    Permission.DEVICES_LOCK,
    Permission.DEVICES_UNLOCK,
    Permission.ADE_DISOWN,
    Permission.ESCROW_SHOW,
    Permission.ACCESS_WRITE,
}
OPERATOR = Caller(kind=CallerKind.TOKEN, id="T", name="bob", permissions=BUILT_IN["operator"])


@pytest.fixture
def roles(store: Store) -> Roles:
    return Roles(store.access, Clock())


def test_only_administrators_have_what_is_dangerous() -> None:
    assert BUILT_IN["administrator"] == EVERYTHING
    for name in sorted(BUILT_IN.keys() - {"administrator"}):
        assert not BUILT_IN[name] & DANGEROUS, name
    assert BUILT_IN["viewer"] < BUILT_IN["operator"] < EVERYTHING
    assert BUILT_IN["enrollment-only"] == {Permission.LINKS_READ, Permission.LINKS_WRITE}


def test_a_viewer_changes_nothing() -> None:
    assert all(each.endswith(":read") for each in BUILT_IN["viewer"])


async def test_a_role_is_made_changed_and_removed(roles: Roles) -> None:
    made = await roles.create("desk", [Permission.DEVICES_READ, Permission.DEVICES_READ], LOCAL_ADMINISTRATOR)
    assert made.permissions == ("devices:read",)
    assert await roles.permissions("desk") == {Permission.DEVICES_READ}
    assert [each.name for each in await roles.list()] == [*BUILT_IN, "desk"]
    with pytest.raises(OperationRefused, match="already"):
        await roles.create("desk", [], LOCAL_ADMINISTRATOR)
    await roles.change("desk", [Permission.LINKS_READ], LOCAL_ADMINISTRATOR)
    assert await roles.permissions("desk") == {Permission.LINKS_READ}
    await roles.remove("desk", LOCAL_ADMINISTRATOR)
    for gone in (roles.permissions("desk"), roles.remove("desk", LOCAL_ADMINISTRATOR)):
        with pytest.raises(NotFound, match="no role desk"):
            await gone


async def test_what_is_built_in_stays(roles: Roles) -> None:
    for name in sorted(BUILT_IN):
        with pytest.raises(OperationRefused, match="always there"):
            await roles.create(name, [], LOCAL_ADMINISTRATOR)
        with pytest.raises(OperationRefused, match="always there"):
            await roles.change(name, [], LOCAL_ADMINISTRATOR)
        with pytest.raises(OperationRefused, match="always there"):
            await roles.remove(name, LOCAL_ADMINISTRATOR)


async def test_nobody_makes_changes_or_removes_a_role_beyond_their_own(roles: Roles) -> None:
    with pytest.raises(Forbidden):
        await roles.create("big", [Permission.DEVICES_ERASE], OPERATOR)
    await roles.create("big", [Permission.DEVICES_ERASE], LOCAL_ADMINISTRATOR)
    await roles.create("small", [Permission.DEVICES_READ], LOCAL_ADMINISTRATOR)
    with pytest.raises(Forbidden):
        await roles.change("small", [Permission.DEVICES_ERASE], OPERATOR)
    with pytest.raises(Forbidden):
        await roles.change("big", [Permission.DEVICES_READ], OPERATOR)
    with pytest.raises(Forbidden):
        await roles.remove("big", OPERATOR)
    assert await roles.permissions("big") == {Permission.DEVICES_ERASE}
    await roles.change("small", [Permission.DEVICES_READ, Permission.DEVICES_END], OPERATOR)


async def test_a_role_that_somebody_has_stays(roles: Roles, store: Store) -> None:
    await roles.create("desk", [Permission.DEVICES_READ], LOCAL_ADMINISTRATOR)
    await Credentials(store.access, roles, Clock()).create("ann", LOCAL_ADMINISTRATOR, role="desk")
    with pytest.raises(OperationRefused, match="give them another first"):
        await roles.remove("desk", LOCAL_ADMINISTRATOR)
