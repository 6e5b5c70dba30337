"""Commands as people send them: a verdict for each device, and nothing queued that the verdict is against."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

import samples
from corral.apple import plist
from corral.apple.platform import Platform
from corral.apple.profile import EnrollmentFacts, ScepIdentity
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import FOREVER, Connection, Consequence, EnrollmentKind, Phase
from corral.service.access.caller import LOCAL_ADMINISTRATOR, Caller, CallerKind
from corral.service.access.confirming import Confirming
from corral.service.access.permission import BUILT_IN
from corral.service.commands.commanding import Commanding, Schedule
from corral.service.commands.verdicts import Sent
from corral.service.errors import Forbidden, NotFound, RequestRefused
from corral.service.kept_profile import KeptProfile
from corral.store.directory import ANY, Backlog, CommandTarget, DeviceDetail, DeviceSummary, Facts
from lifecycle import arrange as a
from service.fakes import NOW, Clock, FakeQueue

ANN = replace(LOCAL_ADMINISTRATOR, name="ann")
IDENTIFIER = "org.example.mdm.corral.enrollment"


class FakeDirectory:
    def __init__(self, *details: DeviceDetail) -> None:
        self.details = {each.device.id: each for each in details}

    async def resolve(self, name: str) -> str | None:
        return name if name in self.details else None

    async def device(self, device_id: str) -> DeviceDetail | None:
        return self.details.get(device_id)

    async def devices(
        self, *, search: str | None, phase: str | None, after: str | None, limit: int, facts: Facts = ANY
    ) -> tuple[DeviceSummary, ...]:
        del search, phase, after, limit, facts
        return ()

    async def targets(self, names: Sequence[str], user_id: str) -> dict[str, CommandTarget]:
        return {name: _target(self.details[name], user_id) for name in names if name in self.details}

    async def select(
        self, *, search: str | None, platform: str | None, after: str, limit: int
    ) -> tuple[tuple[str, str | None], ...]:
        del search, platform, after, limit
        return ()

    async def admitted(self, connection_ids: Sequence[str]) -> dict[str, EnrollmentKind]:
        del connection_ids
        return {}

    async def counts(self) -> dict[str, int]:
        return {}

    async def issuers(self) -> Mapping[str, int]:
        return {}

    async def unrenewed(self) -> Mapping[int, int]:
        return {}

    async def profiles(self) -> tuple[tuple[bytes, int], ...]:
        return ()

    async def backlog(self) -> Backlog:
        return Backlog(commands=0, oldest_command=None, work={}, oldest_work={})


def _target(detail: DeviceDetail, user_id: str) -> CommandTarget:
    live = (Phase.CONNECTED, Phase.ENDING)
    life = next((each for each in detail.connections if each.phase in live), None)
    of_user = (each for each in detail.channels if life and (each.connection_id, each.user_id) == (life.id, user_id))
    channel = next(of_user, None)
    return CommandTarget(
        device_id=detail.device.id,
        platform=detail.device.platform,
        os_version=detail.device.os_version,
        connection_id=life.id if life else None,
        channel_id=channel.id if channel else None,
        channel_kind=channel.kind if channel else None,
        profile=life.profile if life else b"",
    )


def profile(rights: int | None = 8191) -> bytes:
    facts = EnrollmentFacts(
        identifier=IDENTIFIER,
        uuid="A",
        mdm_uuid="B",
        organization="Example",
        display_name="Example",
        server_url="https://mdm.example.org/mdm",
        topic=a.TOPIC,
        access_rights=rights,
    )
    return KeptProfile(facts, ScepIdentity("https://mdm.example.org/scep", "corral"), signed=True).encode()


def detail(udid: str, *connections: Connection, users: tuple[str, ...] = (), **fields: Any) -> DeviceDetail:
    lives = connections or (a.life(f"life of {udid}", profile=profile()),)
    channels = [a.channel(connection_id=life.id) for life in lives]
    channels += [a.channel(connection_id=lives[0].id, user_id=user, kind="user") for user in users]
    plain: dict[str, Any] = {"id": udid, "platform": Platform.MACOS, "os_version": "14.0"}
    return DeviceDetail(
        device=a.device(**{**plain, **fields}),
        connections=lives,
        channels=tuple(channels),
        certificates=(),
        last_seen=None,
        open_commands=0,
        last_push=None,
    )


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue("life of A", "life of B", "life of A/ANN")


@pytest.fixture
def commanding(queue: FakeQueue) -> Commanding:
    directory = FakeDirectory(detail("A", users=("ANN",)), detail("B"))
    return Commanding(queue, directory, Confirming(2), Clock())


def over(queue: FakeQueue, *details: DeviceDetail) -> Commanding:
    return Commanding(queue, FakeDirectory(*details), Confirming(2), Clock())


async def send(commanding: Commanding, request_type: str, *devices: str, **fields: Any) -> dict[str, Sent]:
    sent = await commanding.send(devices or ("A",), fields.pop("by", ANN), request_type=request_type, **fields)
    return {each.device: each for each in sent}


async def test_a_command_is_one_record_for_all_its_devices(commanding: Commanding, queue: FakeQueue) -> None:
    verdicts = await send(commanding, "SecurityInfo", "A", "B")
    assert all(each.queued and not each.problem for each in verdicts.values())
    ((record, channels),) = queue.queued
    assert channels == ("life of A", "life of B")
    assert {each.command_uuid for each in verdicts.values()} == {record.uuid}
    assert (record.request_type, record.consequence) == ("SecurityInfo", Consequence.PLAIN)
    assert (record.created_at, record.created_by, record.replaces_like) == (NOW, "ann", False)
    assert (record.priority, record.not_before, record.expires_at) == (0, 0, FOREVER)
    assert plist.parse_dict(record.body)["Command"] == {"RequestType": "SecurityInfo"}


async def test_what_was_sent_to_one_device_is_told_of_that_device(commanding: Commanding, queue: FakeQueue) -> None:
    await send(commanding, "SecurityInfo", "A", "B")
    await send(commanding, "SecurityInfo", "B")
    assert [(each.device_id, each.data["devices"]) for each in queue.told] == [(None, ["A", "B"]), ("B", ["B"])]


async def test_a_command_goes_when_and_before_what_is_wanted(commanding: Commanding, queue: FakeQueue) -> None:
    schedule = Schedule(priority=5, not_before=NOW + 1, expires_at=NOW + 2)
    await send(commanding, "SecurityInfo", schedule=schedule)
    record, _ = queue.queued[0]
    assert (record.priority, record.not_before, record.expires_at) == (5, NOW + 1, NOW + 2)


async def test_a_user_has_a_queue_of_its_own(commanding: Commanding, queue: FakeQueue) -> None:
    verdict = (await send(commanding, "ProfileList", user_id="ANN"))["A"]
    assert verdict.channel_id == "life of A/ANN"
    assert queue.queued[0][1] == ("life of A/ANN",)
    nobody = (await send(commanding, "ProfileList", user_id="BOB"))["A"]
    assert not nobody.queued
    assert nobody.problem == "there is no user channel 'BOB'"


@pytest.mark.parametrize(
    ("request_type", "consequence", "keys"),
    [
        ("EraseDevice", Consequence.ERASE_DEVICE, {"PIN": "123456"}),
        ("DeviceConfigured", Consequence.DEVICE_CONFIGURED, {}),
        ("DeviceInformation", Consequence.PLAIN, {"Queries": ["UDID"]}),
        ("RemoveProfile", Consequence.PLAIN, {"Identifier": "another"}),
    ],
)
async def test_what_has_a_consequence_is_marked_when_it_is_queued(
    commanding: Commanding, queue: FakeQueue, request_type: str, consequence: Consequence, keys: dict[str, Any]
) -> None:
    verdict = (await send(commanding, request_type, keys=keys, force=True))["A"]
    assert verdict.queued
    assert queue.queued[0][0].consequence is consequence


@pytest.mark.parametrize(
    ("request_type", "replaces"), [("DeviceLock", True), ("EraseDevice", True), ("SecurityInfo", False)]
)
async def test_of_dangerous_commands_only_the_last_counts(
    commanding: Commanding, queue: FakeQueue, request_type: str, replaces: bool
) -> None:
    await send(commanding, request_type, force=True)
    assert queue.queued[0][0].replaces_like is replaces


async def test_the_enrollment_profile_is_removed_by_ending_only(commanding: Commanding, queue: FakeQueue) -> None:
    verdict = (await send(commanding, "RemoveProfile", keys={"Identifier": IDENTIFIER}, force=True))["A"]
    assert not verdict.queued
    assert "device end" in verdict.problem
    assert queue.queued == []


async def test_the_enrollment_profile_is_not_overwritten_by_accident(commanding: Commanding, queue: FakeQueue) -> None:
    keys = {"Payload": samples.profile(IDENTIFIER)}
    verdict = (await send(commanding, "InstallProfile", keys=keys, force=True))["A"]
    assert (verdict.queued, verdict.verdict) == (False, "not-eligible")
    assert "device renew" in verdict.problem
    assert queue.queued == []
    assert (await send(commanding, "InstallProfile", keys={"Payload": samples.PROFILE}))["A"].queued


@pytest.mark.parametrize(
    "payload",
    [
        b"no profile",
        samples.profile(IDENTIFIER).replace(b"</dict>", b"<key>PayloadIdentifier</key><string>other</string></dict>"),
        samples.profile(IDENTIFIER).replace(b"<dict>", b"<dict><key>PayloadIdentifier</key><string>other</string>"),
        samples.profile(IDENTIFIER)[:-20],
    ],
    ids=["none", "twice, the other last", "twice, the other first", "cut off"],
)
async def test_nor_by_one_that_devices_might_read_otherwise(
    payload: bytes, commanding: Commanding, queue: FakeQueue
) -> None:
    verdict = (await send(commanding, "InstallProfile", keys={"Payload": payload}, force=True))["A"]
    assert (verdict.queued, "cannot be read here" in verdict.problem) == (False, True)
    assert queue.queued == []


async def test_what_the_target_cannot_do_is_not_queued_unless_forced(commanding: Commanding, queue: FakeQueue) -> None:
    verdict = (await send(commanding, "ClearPasscode", keys={"UnlockToken": b"x"}))["A"]
    assert not verdict.queued
    assert "macOS" in verdict.problem
    assert [each.severity for each in verdict.findings] == ["error"]
    assert queue.queued == []
    forced = (await send(commanding, "ClearPasscode", keys={"UnlockToken": b"x"}, force=True))["A"]
    assert forced.queued
    assert (forced.problem, forced.findings) == ("", verdict.findings)


async def test_one_device_that_cannot_does_not_keep_the_others(queue: FakeQueue) -> None:
    old = detail("B", os_version="10.12", platform=Platform.MACOS)
    verdicts = await send(over(queue, detail("A"), old), "RestartDevice", "A", "B", "nobody")
    assert verdicts["A"].queued
    assert "10.13" in verdicts["B"].problem
    assert "There is no device nobody" in verdicts["nobody"].problem
    assert queue.queued[0][1] == ("life of A",)


async def test_rights_are_those_of_the_enrollment(queue: FakeQueue) -> None:
    weak = detail("A", a.life("life of A", profile=profile(rights=1)))
    verdict = (await send(over(queue, weak), "SecurityInfo"))["A"]
    assert not verdict.queued
    assert "access right" in verdict.problem
    unknown = detail("A", a.life("life of A", profile=b""))
    assert (await send(over(queue, unknown), "SecurityInfo"))["A"].queued


@pytest.mark.parametrize("phase", list(Phase))
async def test_only_a_current_life_gets_commands(queue: FakeQueue, phase: Phase) -> None:
    commanding = over(queue, detail("A", a.life("life of A", phase, profile=profile())))
    verdict = (await send(commanding, "SecurityInfo"))["A"]
    current = phase in (Phase.CONNECTED, Phase.ENDING)
    assert verdict.queued is current
    assert current or verdict.problem == "Device A is not connected."


async def test_a_life_that_ends_at_that_moment_says_so() -> None:
    commanding = over(FakeQueue("life of B"), detail("A"), detail("B"))
    verdicts = await send(commanding, "SecurityInfo", "A", "B")
    assert verdicts["B"].queued
    assert not verdicts["A"].queued
    assert verdicts["A"].problem == "its connection has just ended"


RAW = plist.dump({"CommandUUID": "mine", "Command": {"RequestType": "SecurityInfo"}})


async def test_a_raw_command_is_kept_byte_for_byte(commanding: Commanding, queue: FakeQueue) -> None:
    odd = RAW.replace(b"<dict>", b"<dict>  <!-- mine -->", 1)
    (verdict,) = await commanding.send(["A"], ANN, raw=odd)
    record, _ = queue.queued[0]
    assert (record.uuid, record.request_type, record.body) == ("mine", "SecurityInfo", odd)
    assert verdict.command_uuid == "mine"


async def test_a_raw_command_is_checked_like_any_other(commanding: Commanding, queue: FakeQueue) -> None:
    removal = plist.dump({"CommandUUID": "mine", "Command": {"RequestType": "RemoveProfile", "Identifier": IDENTIFIER}})
    (verdict,) = await commanding.send(["A"], ANN, raw=removal, force=True)
    assert not verdict.queued
    assert queue.queued == []


async def test_a_raw_command_does_not_borrow_the_uuid_of_another(commanding: Commanding, queue: FakeQueue) -> None:
    """The body that is stored under a uuid is what goes out: it would never have been checked."""
    queue.bodies["mine"] = b"RemoveProfile of the life cycle itself"
    with pytest.raises(RequestRefused, match="mine names another command"):
        await commanding.send(["A"], ANN, raw=RAW, force=True)
    queue.bodies["mine"] = RAW
    (verdict,) = await commanding.send(["A"], ANN, raw=RAW)
    assert verdict.queued, "the same command again, for more devices perhaps"


@pytest.mark.parametrize("raw", [b"", b"<plist/>", b"bplist00", plist.dump({"Command": {}})])
async def test_what_is_no_command_is_refused_in_one_line(commanding: Commanding, raw: bytes) -> None:
    with pytest.raises(RequestRefused) as caught:
        await commanding.send(["A"], ANN, raw=raw)
    assert "\n" not in str(caught.value)


async def test_a_command_needs_a_request_type(commanding: Commanding) -> None:
    for request_type in (None, ""):
        with pytest.raises(RequestRefused, match="RequestType"):
            await commanding.send(["A"], ANN, request_type=request_type)
    with pytest.raises(RequestRefused):
        await commanding.send(["A"], ANN, request_type="SecurityInfo", keys={"RequestType": "EraseDevice"})


async def test_no_device_no_command(commanding: Commanding, queue: FakeQueue) -> None:
    assert await commanding.send([], ANN, request_type="SecurityInfo") == []
    assert queue.queued == []


async def test_cancel_names_who_and_what(commanding: Commanding, queue: FakeQueue) -> None:
    queue.bodies["U1"] = b"body"
    assert await commanding.cancel("U1", "A", "ann") == 1
    assert await commanding.cancel("U1", None, "ann") == 1
    (uuid, channel, event), (_, everywhere, _) = queue.cancelled
    assert (uuid, channel, everywhere) == ("U1", "life of A", None)
    assert (event.type, event.data) == ("command.cancelled", {"by": "ann", "command": "U1"})
    with pytest.raises(NotFound, match="U2"):
        await commanding.cancel("U2", None, "ann")
    with pytest.raises(NotFound, match="nobody"):
        await commanding.cancel("U1", "nobody", "ann")


async def test_clear_is_of_the_current_life(commanding: Commanding, queue: FakeQueue) -> None:
    assert await commanding.clear("A", "ann") == 2
    ((life, event),) = queue.cleared
    assert life == "life of A"
    assert (event.type, event.device_id, event.connection_id) == ("queue.cleared", "A", "life of A")
    with pytest.raises(RequestRefused, match="not connected"):
        await over(queue, detail("A", a.life(phase=Phase.ENDED))).clear("A", "ann")


OPERATOR = Caller(kind=CallerKind.TOKEN, id="T1", name="bob", permissions=BUILT_IN["operator"])
PIN = {"PIN": "123456"}


@pytest.mark.parametrize("request_type", ["EraseDevice", "DeviceLock", "ClearPasscode", "SetRecoveryLock"])
async def test_what_is_dangerous_needs_a_permission_of_its_own(request_type: str) -> None:
    queue = FakeQueue("life of A")
    with pytest.raises(Forbidden, match="bob does not have"):
        await send(over(queue, detail("A")), request_type, by=OPERATOR, force=True)
    assert queue.queued == []
    assert (await send(over(queue, detail("A")), "DeviceInformation", by=OPERATOR, force=True))["A"].queued


async def test_a_whole_command_is_judged_by_what_it_says_and_not_by_how_it_comes() -> None:
    raw = plist.dump({"CommandUUID": "U", "Command": {"RequestType": "EraseDevice"}})
    queue = FakeQueue("life of A")
    with pytest.raises(Forbidden, match="devices:erase"):
        await over(queue, detail("A")).send(["A"], OPERATOR, raw=raw, force=True)
    assert queue.queued == []


async def test_to_many_it_goes_only_with_their_number() -> None:
    devices = [detail(name) for name in "ABC"]
    queue = FakeQueue(*(f"life of {name}" for name in "ABC"))
    commanding = over(queue, *devices)
    for wrong in (None, 2, 4):
        with pytest.raises(OperationRefused, match='"confirm": 3'):
            await send(commanding, "DeviceLock", "A", "B", "C", keys=PIN, force=True, confirm=wrong)
    assert queue.queued == []
    assert len(await send(commanding, "DeviceLock", "A", "B", "C", "A", keys=PIN, force=True, confirm=3)) == 3
    assert len(await send(commanding, "DeviceLock", "A", "B", keys=PIN, force=True)) == 2
    assert len(await send(commanding, "RestartDevice", "A", "B", "C", force=True)) == 3
