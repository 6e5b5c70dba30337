"""Automated enrollment over a real store, against the stand-in for Apple's service."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.dep.client import DepClient
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND
from corral.service.ade.assigning import Assigning
from corral.service.ade.profiles import Profiles, Where
from corral.service.ade.servers import Servers
from corral.service.ade.syncing import Syncing
from corral.service.clock import to_datetime
from corral.service.errors import NotFound, OverCapacity, RequestRefused
from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService, Fault
from corral.simulator.push_certificates import StandInApple
from corral.store.ade import AdeRule, RuleField
from corral.store.store import Store
from kept_databases import fresh_sqlite
from service.fakes import NOW, Clock

WEB_URL = "https://mdm.example.org/enroll/automated/web"
PLAIN = {"profile_name": "standard", "is_supervised": True}


@dataclass
class Stage:
    clock: Clock
    store: Store
    apple: AdeService
    portal: PortalServer
    servers: Servers
    assigning: Assigning
    profiles: Profiles
    syncing: Syncing

    async def events(self) -> list[str]:
        return [each.event.type for each in await self.store.events.read(0, 1000)]

    async def serials(self) -> list[str]:
        return [each.device.serial_number for each in await self.store.ade.devices("first", 5000)]

    async def word(self, serial: str) -> tuple[str, str, bool]:
        """Profile and outcome of a device's assignment, and whether it is still to be told to Apple."""
        found = (await self.store.ade.some("first", [serial]))[0].assignment
        assert found is not None
        return found.profile, found.outcome, found.due_at is not None

    def at_apple(self, serial: str) -> str:
        """The name of the profile that Apple has assigned to a device, or nothing."""
        uuid = self.portal.devices[serial].get("profile_uuid", "")
        return str(self.portal.profiles[uuid]["profile_name"]) if uuid else ""


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Stage]:
    """A server that has no token yet, and no portal behind it."""
    clock = Clock()
    root = StandInApple.create(datetime.now(UTC))
    apple = AdeService(root, clock=lambda: clock() / 1000, largest_page=3)
    client = DepClient(await apple.start(), trust_pem=root.root_pem, clock=lambda: clock() / 1000)
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as store:
        servers = Servers(store.ade, store.events, client, clock)
        assigning = Assigning(store.ade, store.events, servers, clock)
        where = Where("https://mdm.example.org/enroll/automated", service="https://mdm.example.org", web_url=WEB_URL)
        profiles = Profiles(store.ade, servers, assigning, where, clock)
        syncing = Syncing(store.ade, store.work, store.events, servers, assigning, clock, 30 * MINUTE)
        await servers.add("first", "ops")
        made = await servers.get("first")
        portal, _ = apple.add_server("at Apple", made.certificate_pem)
        yield Stage(clock, store, apple, portal, servers, assigning, profiles, syncing)
    await client.close()
    await apple.stop()


async def token(stage: Stage, days: int = 365) -> bytes:
    made = await stage.servers.get("first")
    return stage.portal.new_token(made.certificate_pem, to_datetime(stage.clock()), days)


@pytest.fixture
async def stage(bare: Stage) -> Stage:
    await bare.servers.import_token("first", await token(bare), False, "ops")
    return bare


def rule(field: RuleField, pattern: str, profile: str) -> AdeRule:
    return AdeRule(server="first", position=0, field=field, pattern=pattern, profile=profile)


# -- servers


async def test_a_server_needs_a_token_and_says_whose_it_is(bare: Stage) -> None:
    with pytest.raises(OperationRefused, match="no token yet"):
        await bare.syncing.sync("first")
    shown = await bare.servers.import_token("first", await token(bare), False, "ops")
    assert (shown.server.server_name, shown.server.org_name) == ("at Apple", "Example")
    assert await bare.events() == ["ade.server-added", "ade.token-imported"]
    with pytest.raises(OperationRefused, match="already"):
        await bare.servers.add("first", "ops")
    with pytest.raises(RequestRefused):
        await bare.servers.add("../first", "ops")
    with pytest.raises(NotFound):
        await bare.servers.show("nobody")


async def test_a_token_of_another_key_and_one_that_has_expired_are_refused(bare: Stage) -> None:
    other = await bare.servers.add("second", "ops")
    file = bare.portal.new_token(other.certificate_pem, to_datetime(NOW))
    with pytest.raises(RequestRefused, match="cannot be opened with this server's key"):
        await bare.servers.import_token("first", file, False, "ops")
    with pytest.raises(RequestRefused, match="expired"):
        await bare.servers.import_token("first", await token(bare, days=-1), False, "ops")


async def test_the_token_of_another_server_is_refused_unless_forced(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    held = await stage.servers.get("first")
    another, file = stage.apple.add_server("another", held.certificate_pem)
    with pytest.raises(OperationRefused, match=r"another server, 'another'.*--force"):
        await stage.servers.import_token("first", file, False, "ops")
    assert await stage.servers.get("first") == held
    await stage.servers.import_token("first", file, True, "ops")
    assert (await stage.servers.get("first")).server_uuid == another.uuid
    assert (await stage.store.ade.state("first")).cursor == ""
    stage.clock.now += SECOND
    found = await stage.syncing.sync("first")
    assert (found.whole, found.removed) == (True, 1)
    await stage.servers.add("second", "ops")
    second = await stage.servers.get("second")
    file = another.new_token(second.certificate_pem, to_datetime(NOW))
    with pytest.raises(OperationRefused, match="here as first already"):
        await stage.servers.import_token("second", file, True, "ops")


async def test_a_token_that_ends_soon_is_warned_of_once_a_step(bare: Stage) -> None:
    await bare.servers.import_token("first", await token(bare, days=31), False, "ops")
    warned: list[int] = []
    for _ in range(31):
        await bare.servers.warn(await bare.servers.get("first"))
        warned.append((await bare.events()).count("ade.token-expiring"))
        bare.clock.now += DAY
    assert (warned[0], warned[1], warned[23], warned[24], warned[-1]) == (1, 2, 2, 3, 4)


# -- synchronization


async def test_all_devices_are_fetched_and_then_what_changes(stage: Stage) -> None:
    for number in range(7):
        stage.portal.add_device(f"S{number}")
    found = await stage.syncing.sync("first")
    assert (found.whole, found.seen, found.added) == (True, 7, 7)
    stage.clock.now += MINUTE
    found = await stage.syncing.sync("first")
    assert (found.whole, found.seen) == (False, 0)
    stage.portal.add_device("NEW")
    stage.portal.add_device("S1", asset_tag="7")
    stage.portal.remove_device("S2")
    stage.portal.add_device("S3")
    found = await stage.syncing.sync("first")
    assert (found.whole, found.added, found.changed, found.removed) == (False, 1, 1, 1)
    assert await stage.serials() == ["NEW", "S0", "S1", "S3", "S4", "S5", "S6"]


async def test_an_expired_cursor_brings_all_devices_anew(stage: Stage) -> None:
    stage.portal.add_device("S1")
    stage.portal.add_device("S2")
    await stage.syncing.sync("first")
    stage.portal.changes.clear()
    del stage.portal.devices["S1"]  # told by no change that we could still hear of
    for cursor in stage.portal.cursors.values():
        cursor.made_at -= timedelta(days=8)
    stage.clock.now += SECOND
    found = await stage.syncing.sync("first")
    assert (found.whole, found.removed) == (True, 1)
    assert await stage.serials() == ["S2"]


async def test_once_a_day_all_devices_are_fetched_whatever_changes_told(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    stage.portal.devices["LOST"] = {**stage.portal.devices["S1"], "serial_number": "LOST"}
    stage.clock.now += HOUR
    assert not (await stage.syncing.sync("first")).whole
    stage.clock.now += DAY
    assert (await stage.syncing.sync("first")).added == 1
    assert await stage.serials() == ["LOST", "S1"]


async def test_an_exhausted_cursor_is_an_end_and_no_error(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    stage.apple.fail_next(Fault(400, "EXHAUSTED_CURSOR", path="/devices/sync"))
    assert not (await stage.syncing.sync("first")).whole
    assert (await stage.store.ade.state("first")).problem == ""


@pytest.mark.parametrize("path", ["/server/devices", "/devices/sync"])
async def test_the_same_cursor_with_more_to_follow_is_no_endless_loop(
    stage: Stage, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    before = stage.apple.tally.total()
    page: dict[str, Any] = {"devices": [], "cursor": (await stage.store.ade.state("first")).cursor}
    name = "fetch" if path == "/server/devices" else "sync"

    def stuck(*_: object) -> dict[str, Any]:
        return page | {"more_to_follow": True}

    monkeypatch.setattr(PortalServer, name, stuck)
    await stage.syncing.sync("first", whole=name == "fetch")
    assert stage.apple.tally.total() - before <= 3
    assert await stage.serials() == ["S1"], "nobody is taken for removed by a list that has no end"


async def test_a_fetch_that_breaks_off_loses_no_device(stage: Stage) -> None:
    for number in range(7):
        stage.portal.add_device(f"S{number}")
    await stage.servers.line("first")
    calls = 0
    fetch = PortalServer.fetch

    def broken(portal: PortalServer, cursor: str | None, limit: int, now: datetime) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 2:
            stage.apple.fail_next(Fault(500))
        return fetch(portal, cursor, limit, now)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PortalServer, "fetch", broken)
        with pytest.raises(OverCapacity):
            await stage.syncing.sync("first")
    state = await stage.store.ade.state("first")
    assert (state.cursor, state.failures, len(await stage.serials())) == ("", 1, 6)
    assert (await stage.syncing.sync("first")).whole
    assert len(await stage.serials()) == 7


async def test_the_worker_is_patient_after_failures_and_tells_each_reason_once(stage: Stage) -> None:
    stage.portal.terms_signed = False
    for _ in range(20):
        await stage.syncing.round()
        stage.clock.now += MINUTE
    state = await stage.store.ade.state("first")
    assert state.terms_open
    assert 4 <= state.failures <= 6
    assert (await stage.events()).count("ade.terms-not-signed") == 1
    stage.portal.terms_signed = True
    stage.clock.now += HOUR
    await stage.syncing.round()
    state = await stage.store.ade.state("first")
    assert (state.problem, state.terms_open, state.failures) == ("", False, 0)


async def test_the_worker_synchronizes_when_it_is_due_and_one_process_at_a_time(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.round()
    assert await stage.serials() == ["S1"]
    calls = stage.apple.tally.total()
    stage.clock.now += 29 * MINUTE
    await stage.syncing.round()
    assert stage.apple.tally.total() == calls
    stage.clock.now += 2 * MINUTE
    await stage.store.work.add("ade-sync/first", ["first"], stage.clock())
    await stage.store.work.lease("ade-sync/first", stage.clock(), stage.clock() + MINUTE, 1)
    await stage.syncing.round()
    assert stage.apple.tally.total() == calls, "another process has it"
    with pytest.raises(OperationRefused, match="at this moment"):
        await stage.syncing.sync("first")
    stage.clock.now += 2 * MINUTE
    await stage.syncing.round()
    assert stage.apple.tally.total() > calls


# -- assignment


async def test_rules_and_the_default_give_each_new_device_its_profile(stage: Stage) -> None:
    for name in ("standard", "tablets", "lab"):
        await stage.profiles.define("first", PLAIN | {"profile_name": name}, False, "ops")
    await stage.profiles.set_rules(
        "first", [rule(RuleField.SERIAL, "lab*", "lab"), rule(RuleField.FAMILY, "iPad", "tablets")], "ops"
    )
    stage.portal.add_device("LAB1", device_family="iPad")
    stage.portal.add_device("PAD1", device_family="iPad")
    stage.portal.add_device("PHONE1")
    found = await stage.syncing.sync("first")
    assert (found.assigned, found.open) == (2, 0)
    assert [stage.at_apple(s) for s in ("LAB1", "PAD1", "PHONE1")] == ["lab", "tablets", ""]
    assert await stage.profiles.set_default("first", "standard", "ops") == 1
    await stage.syncing.sync("first")
    assert stage.at_apple("PHONE1") == "standard"
    device = (await stage.store.ade.find("PHONE1"))[0].device
    assert stage.portal.configuration("PHONE1") is not None
    assert device.profile_status == "assigned"
    await stage.syncing.sync("first")
    assert (await stage.store.ade.find("PHONE1"))[0].device.profile_status == "pushed"
    assert await stage.profiles.set_rules("first", [rule(RuleField.MODEL, "*", "lab")], "ops") == 2
    await stage.syncing.sync("first")
    assert {stage.at_apple(s) for s in ("LAB1", "PAD1", "PHONE1")} == {"lab"}


async def test_a_thousand_devices_are_assigned_in_few_calls(stage: Stage) -> None:
    stage.apple.largest_page = 1000
    await stage.profiles.define("first", PLAIN, False, "ops")
    await stage.profiles.set_default("first", "standard", "ops")
    for number in range(2100):
        stage.portal.add_device(f"S{number:04}")
    found = await stage.syncing.sync("first")
    assert (found.seen, found.assigned, found.open) == (2100, 2100, 0)
    assert stage.apple.tally["PUT /profile/devices"] == 3


async def test_each_word_of_apple_is_taken_for_its_device_alone(stage: Stage) -> None:
    await stage.profiles.define("first", PLAIN, False, "ops")
    await stage.profiles.set_default("first", "standard", "ops")
    words = {"S1": [], "S2": ["FAILED"], "S3": ["THROTTLED", "THROTTLED"], "S4": ["NOT_ACCESSIBLE"]}
    for serial, said in words.items():
        stage.portal.add_device(serial)
        stage.portal.outcomes[serial] = list(said)
    found = await stage.syncing.sync("first")
    assert (found.assigned, found.open) == (1, 3)
    assert await stage.word("S3") == ("standard", "THROTTLED", True)
    stage.clock.now += 20 * SECOND
    await stage.syncing.round()
    assert await stage.word("S2") == ("standard", "FAILED", True)
    stage.clock.now += 2 * MINUTE
    await stage.syncing.round()
    assert await stage.word("S2") == ("standard", "SUCCESS", False)
    assert await stage.word("S4") == ("standard", "NOT_ACCESSIBLE", True)
    stage.clock.now += HOUR
    await stage.syncing.round()
    assert {stage.at_apple(s) for s in words} == {"standard"}


async def test_what_apple_refuses_again_and_again_is_given_up_and_told(stage: Stage) -> None:
    await stage.profiles.define("first", PLAIN, False, "ops")
    await stage.profiles.set_default("first", "standard", "ops")
    stage.portal.add_device("S1")
    stage.portal.outcomes["S1"] = ["FAILED"] * 10
    await stage.syncing.sync("first")
    for _ in range(9):
        stage.clock.now += 12 * HOUR
        await stage.syncing.sync("first")
    assert await stage.word("S1") == ("standard", "FAILED", False)
    assert "ade.assignment-failed" in await stage.events()
    stage.clock.now += 2 * DAY
    await stage.syncing.sync("first")
    assert stage.at_apple("S1") == "standard", "the next whole fetch tries again"


async def test_what_a_person_says_stays_until_it_is_released(stage: Stage) -> None:
    for name in ("standard", "special"):
        await stage.profiles.define("first", PLAIN | {"profile_name": name}, False, "ops")
    await stage.profiles.set_default("first", "standard", "ops")
    stage.portal.add_device("S1")
    stage.portal.add_device("S2")
    await stage.syncing.sync("first")
    await stage.assigning.assign("first", ["S1"], "special", "ops")
    await stage.assigning.unassign("first", ["S2"], "ops")
    assert [stage.at_apple(s) for s in ("S1", "S2")] == ["special", ""]
    stage.clock.now += 2 * DAY
    await stage.syncing.sync("first")
    assert [stage.at_apple(s) for s in ("S1", "S2")] == ["special", ""]
    assert await stage.assigning.release("first", ["S1", "S2"], "ops") == 2
    await stage.syncing.sync("first")
    assert [stage.at_apple(s) for s in ("S1", "S2")] == ["standard", "standard"]
    with pytest.raises(NotFound, match="no device S9"):
        await stage.assigning.assign("first", ["S1", "S9"], "special", "ops")
    with pytest.raises(NotFound, match="no profile nothing"):
        await stage.assigning.assign("first", ["S1"], "nothing", "ops")


async def test_an_assignment_that_was_lost_at_apple_is_made_again(stage: Stage) -> None:
    await stage.profiles.define("first", PLAIN, False, "ops")
    await stage.profiles.set_default("first", "standard", "ops")
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    stage.portal.remove_device("S1")
    await stage.syncing.sync("first")
    stage.portal.add_device("S1")  # and back, as after a repair
    assert stage.at_apple("S1") == ""
    await stage.syncing.sync("first")
    assert stage.at_apple("S1") == "standard"


async def test_a_profile_defined_anew_goes_to_the_devices_of_the_old_one(stage: Stage) -> None:
    first = await stage.profiles.define("first", PLAIN, False, "ops")
    assert stage.portal.profiles[first.uuid]["url"] == "https://mdm.example.org/enroll/automated"
    await stage.profiles.set_default("first", "standard", "ops")
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    second = await stage.profiles.define("first", PLAIN | {"department": "IT"}, False, "ops")
    assert second.uuid != first.uuid
    await stage.syncing.sync("first")
    assert stage.portal.devices["S1"]["profile_uuid"] == second.uuid
    with pytest.raises(OperationRefused, match="the default"):
        await stage.profiles.remove("first", "standard", "ops")
    with pytest.raises(RequestRefused, match="Siri is meant"):
        await stage.profiles.define("first", PLAIN | {"skip_setup_items": ["Sirri"]}, False, "ops")
    assert await stage.profiles.list("first") == (second,)


async def test_a_profile_leads_nobody_to_a_sign_in_that_is_not_there(stage: Stage) -> None:
    for url, says in (("https://mdm.example.org/enroll/web", WEB_URL), (WEB_URL + "/", WEB_URL)):
        with pytest.raises(RequestRefused, match=f"page is {re.escape(says)}"):
            await stage.profiles.define("first", PLAIN | {"configuration_web_url": url}, False, "ops")
    for url in (WEB_URL, "https://sign-in.example.org/"):
        made = await stage.profiles.define("first", PLAIN | {"configuration_web_url": url}, False, "ops")
        assert stage.portal.profiles[made.uuid]["configuration_web_url"] == url


async def test_nobody_disowns_devices_by_accident(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    for word in ("", "yes", "example"):
        with pytest.raises(OperationRefused, match="for ever"):
            await stage.assigning.disown("first", ["S1"], word, "ops")
    assert stage.apple.tally["POST /devices/disown"] == 0
    assert await stage.assigning.disown("first", ["S1"], "Example", "ops") == {"S1": "SUCCESS"}
    await stage.syncing.sync("first")
    assert await stage.serials() == []


async def test_a_removed_server_leaves_nothing(stage: Stage) -> None:
    stage.portal.add_device("S1")
    await stage.syncing.sync("first")
    await stage.servers.remove("first", "ops")
    assert await stage.servers.list() == ()
    await stage.syncing.round()
    assert replace(await stage.store.ade.state("first")).cursor == ""
