"""People with passwords, and their sessions."""

from dataclasses import replace

import pytest
from argon2 import PasswordHasher

from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import HOUR
from corral.service.access.caller import LOCAL_ADMINISTRATOR, Caller, CallerKind
from corral.service.access.credentials import Credentials
from corral.service.access.limits import FOR_ONE_NAME, Limits
from corral.service.access.passwords import Passwords
from corral.service.access.permission import BUILT_IN, Permission
from corral.service.access.roles import Roles
from corral.service.access.sessions import UserSessions
from corral.service.access.users import Users
from corral.service.errors import Forbidden, NotFound, RequestRefused, SignInFailed, TooManyAttempts
from corral.store.access import AccessChange, Outcome
from corral.store.store import Store
from service.fakes import NOW, Clock

PASSWORD = "correct horse battery"
OTHER = "another long password"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HELP_DESK = Caller(
    kind=CallerKind.TOKEN,
    id="T",
    name="desk",
    permissions=BUILT_IN["viewer"] | {Permission.ACCESS_WRITE, Permission.ACCESS_READ},
)


class Place:
    def __init__(self, store: Store) -> None:
        self.clock = Clock()
        self.store = store
        self.roles = Roles(store.access, self.clock)
        passwords = Passwords(QUICK)
        self.users = Users(store.access, self.roles, passwords, self.clock)
        self.credentials = Credentials(store.access, self.roles, self.clock)
        self.sessions = UserSessions(store.access, self.roles, passwords, Limits(self.clock), self.clock, 12 * HOUR)

    async def token(self, name: str = "ann", password: str = PASSWORD) -> str:
        return (await self.sessions.begin(name, password, "10.0.0.1"))[1]

    async def told(self) -> list[str]:
        return [each.event.type for each in await self.store.events.read(0, 1000)]


@pytest.fixture
async def place(store: Store) -> Place:
    made = Place(store)
    await made.users.add("Ann", "viewer", PASSWORD, LOCAL_ADMINISTRATOR)
    return made


async def test_a_user_signs_in_by_password_and_may_what_the_role_may(place: Place) -> None:
    session, token = await place.sessions.begin("ANN", PASSWORD, "10.0.0.1")
    caller = await place.credentials.verify(token)
    assert caller is not None
    assert (caller.kind, caller.name, caller.role, caller.session) == (CallerKind.USER, "ann", "viewer", session.id)
    assert caller.permissions == BUILT_IN["viewer"]
    assert session.expires_at == NOW + 12 * HOUR
    place.clock.now += 12 * HOUR
    assert await place.credentials.verify(token) is None


async def test_the_password_is_kept_as_argon2id_only(place: Place) -> None:
    (ann,) = await place.users.list()
    assert ann.password.startswith("$argon2id$")
    assert ann.password not in repr(ann)
    assert PASSWORD not in repr(await place.store.events.read(0, 100))


async def test_the_parameters_are_those_of_rfc_9106() -> None:
    made = await Passwords().hash(PASSWORD)
    assert "$m=65536,t=3,p=4$" in made


WRONG = {
    "password": ("ann", "not the password"),
    "nobody": ("bob", PASSWORD),
    "empty": ("ann", ""),
    "too long": ("ann", PASSWORD + "x" * 1000),
    "surrogate": ("ann", "\ud800" * 20),
}


@pytest.mark.parametrize("how", sorted(WRONG))
async def test_whatever_is_wrong_is_told_in_the_same_words(how: str, place: Place) -> None:
    with pytest.raises(SignInFailed, match=r"^That is not a user and a password of this service\.$"):
        await place.sessions.begin(*WRONG[how], "10.0.0.1")


async def test_the_same_work_is_done_where_there_is_no_such_user(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []

    class Counting(Passwords):
        def _verify(self, stored: str, password: str) -> bool:
            verified.append(stored[:10])
            return super()._verify(stored, password)

    place.sessions._passwords = Counting(QUICK)  # pyright: ignore[reportPrivateUsage] - to see the work itself
    disabled = await place.users.add("dora", "viewer", PASSWORD, LOCAL_ADMINISTRATOR)
    await place.users.disable("dora", LOCAL_ADMINISTRATOR)
    await place.users.add("paul", "viewer", None, LOCAL_ADMINISTRATOR)
    for name in ("ann", "nobody", "dora", disabled.id, "paul"):
        with pytest.raises(SignInFailed):
            await place.sessions.begin(name, OTHER, "")
    assert verified == ["$argon2id$"] * 5


async def test_guessing_is_stopped_though_the_password_is_right_at_last(place: Place) -> None:
    for _ in range(FOR_ONE_NAME):
        with pytest.raises(SignInFailed):
            await place.sessions.begin("ann", OTHER, "10.0.0.9")
    with pytest.raises(TooManyAttempts):
        await place.sessions.begin("ann", PASSWORD, "10.0.0.9")


async def test_a_disabled_user_is_out_at_once_and_in_again_when_enabled(place: Place) -> None:
    token = await place.token()
    await place.users.disable("ann", LOCAL_ADMINISTRATOR)
    assert await place.credentials.verify(token) is None
    with pytest.raises(SignInFailed):
        await place.token()
    await place.users.enable("ann", LOCAL_ADMINISTRATOR)
    assert await place.credentials.verify(token) is None, "the session has ended"
    assert await place.credentials.verify(await place.token()) is not None


async def test_a_new_password_ends_all_sessions(place: Place) -> None:
    token = await place.token()
    await place.users.set_password("ann", OTHER, LOCAL_ADMINISTRATOR)
    assert await place.credentials.verify(token) is None
    with pytest.raises(SignInFailed):
        await place.token()
    caller = await place.credentials.verify(await place.token(password=OTHER))
    assert caller is not None
    with pytest.raises(RequestRefused, match="old password"):
        await place.sessions.change_password(PASSWORD, PASSWORD, caller, "")
    await place.sessions.change_password(OTHER, PASSWORD, caller, "")
    assert await place.credentials.verify(await place.token()) is not None


@pytest.mark.parametrize("password", ["", "short", "x" * 11, "x" * 257])
async def test_passwords_have_a_length(password: str, place: Place) -> None:
    with pytest.raises(RequestRefused, match="12 characters"):
        await place.users.add("bob", "viewer", password, LOCAL_ADMINISTRATOR)
    assert len(await place.users.list()) == 1


async def test_a_role_counts_from_the_next_request_on(place: Place) -> None:
    token = await place.token()
    await place.users.set_role("ann", "operator", LOCAL_ADMINISTRATOR)
    caller = await place.credentials.verify(token)
    assert caller is not None
    assert caller.permissions == BUILT_IN["operator"]
    with pytest.raises(NotFound, match="no role boss"):
        await place.users.set_role("ann", "boss", LOCAL_ADMINISTRATOR)


async def test_nobody_raises_or_takes_over_somebody_who_may_more(place: Place) -> None:
    await place.users.add("root", "administrator", PASSWORD, LOCAL_ADMINISTRATOR)
    with pytest.raises(Forbidden):
        await place.users.set_password("root", OTHER, HELP_DESK)
    with pytest.raises(Forbidden):
        await place.users.disable("root", HELP_DESK)
    with pytest.raises(Forbidden):
        await place.users.set_role("root", "viewer", HELP_DESK)
    with pytest.raises(Forbidden):
        await place.users.set_role("ann", "operator", HELP_DESK)
    with pytest.raises(Forbidden):
        await place.users.add("eve", "administrator", PASSWORD, HELP_DESK)
    session, _ = await place.sessions.begin("root", PASSWORD, "")
    with pytest.raises(Forbidden):
        await place.sessions.end(session.id, HELP_DESK)
    await place.users.set_password("ann", OTHER, HELP_DESK)


async def test_the_last_administrator_stays(place: Place) -> None:
    await place.users.add("root", "administrator", PASSWORD, LOCAL_ADMINISTRATOR)
    with pytest.raises(OperationRefused, match="administrator any more"):
        await place.users.disable("root", LOCAL_ADMINISTRATOR)
    with pytest.raises(OperationRefused, match="administrator any more"):
        await place.users.set_role("root", "viewer", LOCAL_ADMINISTRATOR)
    await place.users.set_role("ann", "administrator", LOCAL_ADMINISTRATOR)
    await place.users.disable("root", LOCAL_ADMINISTRATOR)


async def test_sessions_are_listed_and_ended(place: Place) -> None:
    first, token = await place.sessions.begin("ann", PASSWORD, "")
    second, _ = await place.sessions.begin("ann", PASSWORD, "")
    assert {each.id for each in await place.sessions.list()} == {first.id, second.id}
    assert await place.credentials.list() == ()
    await place.sessions.end(second.id, LOCAL_ADMINISTRATOR)
    caller = await place.credentials.verify(token)
    assert caller is not None
    await place.sessions.end_own(caller)
    assert await place.credentials.verify(token) is None
    assert await place.sessions.list() == ()
    with pytest.raises(NotFound):
        await place.sessions.end(second.id, LOCAL_ADMINISTRATOR)
    with pytest.raises(OperationRefused):
        await place.sessions.end_own(LOCAL_ADMINISTRATOR)


async def test_no_session_begins_with_a_password_that_was_changed_meanwhile(place: Place) -> None:
    (ann,) = await place.users.list()
    changed = replace(ann, password="$argon2id$of another time")
    assert await place.store.access.commit(AccessChange(at=NOW, user=changed, user_was=ann)) is Outcome.DONE
    with pytest.raises(SignInFailed):
        await place.sessions.open(ann, "password")
    assert await place.sessions.list() == ()


async def test_every_step_is_told(place: Place) -> None:
    caller = await place.credentials.verify(await place.token())
    assert caller is not None
    await place.sessions.end_own(caller)
    await place.users.set_role("ann", "operator", LOCAL_ADMINISTRATOR)
    await place.users.disable("ann", LOCAL_ADMINISTRATOR)
    await place.users.enable("ann", LOCAL_ADMINISTRATOR)
    assert await place.told() == [
        "user.added",
        "session.begun",
        "session.ended",
        "user.role-set",
        "user.disabled",
        "user.enabled",
    ]
