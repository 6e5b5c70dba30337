"""A device against a service that it does not know: what it sends, and what it does not put up with."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256

import samples
from corral.apple.checkin import Authenticate, CheckOut, TokenUpdate, read_checkin
from corral.apple.plist import dump
from corral.apple.report import Status, read_lenient, read_report
from corral.pki import cms
from corral.pki.authority import Authority, create_authority
from corral.pki.identity import certificate_from_header, signature_from_header
from corral.simulator.behaviour import Broken, Busy, Removal, Renewal, User
from corral.simulator.device import Device
from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity import ProxyHeader, Signed
from corral.simulator.speaking import Accepted, Failed
from corral.simulator.world import State

from .conftest import ORIGIN, PROFILE_TYPE, TOPIC, Stage

UNRECOGNIZED = json.dumps({"code": "com.apple.unrecognized.device"}).encode()


def channel_of(device: Device) -> Channel:
    return enrollment_of(device).device


def enrollment_of(device: Device) -> Enrollment:
    assert device.enrollment is not None
    return device.enrollment


async def wake(stage: Stage, device: Device) -> None:
    channel = channel_of(device)
    assert stage.push.push(channel.token, channel.magic)
    await device.settle()


# -- enrolling


@pytest.mark.parametrize(
    ("model", "os_version"),
    [
        (Model.IPHONE, "18.2"),
        (Model.IPHONE, "16.7.10"),
        (Model.IPAD, "17.6.1"),
        (Model.MAC, "15.2"),
        (Model.APPLE_TV, "18.2"),
        (Model.VISION, "2.2"),
    ],
)
async def test_enrolls_by_a_link_as_every_model_does(stage: Stage, model: Model, os_version: str) -> None:
    device = stage.device(model, os_version)
    await device.enroll(f"{ORIGIN}/enroll/link")
    assert device.state is State.ENROLLED
    first, second = (read_checkin(each.body) for each in stage.service.heard)
    assert isinstance(first, Authenticate)
    assert (first.speaker.device_id, first.topic) == (device.facts.udid, TOPIC)
    assert (first.serial_number, first.os_version) == (device.facts.serial_number, os_version)
    assert first.product_name == device.facts.product_name
    assert isinstance(second, TokenUpdate)
    assert second.token == channel_of(device).token
    assert second.push_magic == channel_of(device).magic
    assert (second.unlock_token is not None) == (model in (Model.IPHONE, Model.IPAD, Model.VISION))
    assert {each.path for each in stage.service.heard} == {"/checkin"}
    assert {each.headers["content-type"] for each in stage.service.heard} == {"application/x-apple-aspen-mdm-checkin"}
    agent = stage.service.heard[0].headers["user-agent"]
    assert agent.startswith("MDM-OSX/1.0" if model is Model.MAC else "MDM/1.0")


async def test_looks_at_the_page_and_takes_the_profile_that_it_offers(stage: Stage) -> None:
    await stage.device().enroll(f"{ORIGIN}/enroll/link")
    assert stage.service.requests[:2] == ["GET /enroll/link", "GET /enroll/link/profile"]


async def test_takes_a_profile_that_the_link_gives_at_once(stage: Stage) -> None:
    stage.service.page = (200, PROFILE_TYPE, stage.service.profile())
    await stage.device().enroll(f"{ORIGIN}/enroll/link")
    assert "GET /enroll/link/profile" not in stage.service.requests


async def test_takes_an_unsigned_profile(stage: Stage) -> None:
    device = stage.device()
    await device.enroll(stage.service.profile(signed=False))
    assert device.state is State.ENROLLED


async def test_signs_with_the_certificate_that_it_was_issued(stage: Stage) -> None:
    device = stage.device()
    await device.enroll(stage.service.profile())
    assert {each.signer for each in stage.service.heard} == {enrollment_of(device).identity.certificate}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"server_url": "http://mdm.example.com/mdm"}, "https"),
        ({"topic": "com.example.mgmt"}, "Topic"),
        ({"access_rights": 0}, "AccessRights"),
        ({"ca_fingerprint": b"\0" * 20}, "CAFingerprint"),
    ],
)
async def test_refuses_a_profile_that_no_device_takes(stage: Stage, changes: dict[str, object], reason: str) -> None:
    device = stage.device()
    with pytest.raises(InstallationFailed, match=reason):
        await device.enroll(stage.service.profile(**changes))
    assert device.state is State.NOT_ENROLLED
    assert not stage.service.heard
    assert not stage.push.listening


async def test_checks_the_fingerprint_of_the_authority(stage: Stage, authority: Authority) -> None:
    fingerprint = authority.certificate.fingerprint(SHA256())
    await stage.device().enroll(stage.service.profile(ca_fingerprint=fingerprint))
    assert stage.service.kinds() == ["Authenticate", "TokenUpdate"]


async def test_refuses_a_profile_whose_signature_does_not_hold(stage: Stage) -> None:
    profile = bytearray(stage.service.profile())
    profile[profile.index(b"Example")] ^= 1
    with pytest.raises(InstallationFailed, match="signature"):
        await stage.device().enroll(bytes(profile))


async def test_refuses_garbage(stage: Stage) -> None:
    with pytest.raises(InstallationFailed):
        await stage.device().enroll(b"garbage")


async def test_a_link_that_is_closed_leads_nowhere(stage: Stage) -> None:
    stage.service.page = (410, "text/html", b"This link is closed")
    with pytest.raises(InstallationFailed, match="410"):
        await stage.device().enroll(f"{ORIGIN}/enroll/link")


async def test_a_link_must_give_the_type_of_a_profile(stage: Stage) -> None:
    stage.service.page = (200, "application/octet-stream", stage.service.profile())
    with pytest.raises(InstallationFailed, match="octet-stream"):
        await stage.device().enroll(f"{ORIGIN}/enroll/link")


async def test_asks_again_with_the_same_key_while_the_authority_does_not_answer(stage: Stage) -> None:
    stage.service.refuse("PKIOperation", 503, times=2)
    await stage.device().enroll(stage.service.profile())
    assert stage.service.issued == 1


async def test_encloses_its_request_by_get_where_the_authority_takes_no_post(stage: Stage) -> None:
    stage.service.capabilities = b"SHA-256\nAES\n"
    stage.service.refuse("PKIOperation", 404, times=4)
    with pytest.raises(InstallationFailed, match="404"):
        await stage.device().enroll(stage.service.profile())
    assert any(each.startswith("GET /scep?operation=PKIOperation&message=") for each in stage.service.requests)


@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_a_refused_authenticate_aborts_the_installation(stage: Stage, status: int) -> None:
    stage.service.refuse("Authenticate", status)
    device = stage.device()
    with pytest.raises(InstallationFailed, match="Authenticate"):
        await device.enroll(stage.service.profile())
    assert device.state is State.NOT_ENROLLED
    assert stage.service.kinds() == ["Authenticate"]


async def test_retries_with_the_profile_that_it_has_and_a_new_key(stage: Stage) -> None:
    stage.service.refuse("Authenticate", 500)
    device = stage.device()
    with pytest.raises(InstallationFailed):
        await device.enroll(f"{ORIGIN}/enroll/link")
    asked = len([each for each in stage.service.requests if "/enroll/" in each])
    await device.retry_installation()
    assert device.state is State.ENROLLED
    assert len([each for each in stage.service.requests if "/enroll/" in each]) == asked
    signers = [each.signer for each in stage.service.of("Authenticate")]
    keys = [x509.load_der_x509_certificate(each or b"").public_key() for each in signers]
    assert keys[0] != keys[1]


async def test_repeats_a_token_update_that_was_not_taken(stage: Stage) -> None:
    stage.service.refuse("TokenUpdate", 503, times=2)
    await stage.device().enroll(stage.service.profile())
    assert stage.service.kinds() == ["Authenticate", "TokenUpdate", "TokenUpdate", "TokenUpdate"]


async def test_is_not_enrolled_without_a_token_update(stage: Stage) -> None:
    stage.service.refuse("TokenUpdate", 401)
    device = stage.device()
    with pytest.raises(InstallationFailed, match="TokenUpdate"):
        await device.enroll(stage.service.profile())
    assert device.state is State.NOT_ENROLLED
    assert not stage.push.listening


async def test_follows_a_redirect(stage: Stage) -> None:
    stage.service.refuse("Authenticate", 307, content_type="/elsewhere")
    await stage.device().enroll(stage.service.profile())
    assert [each.path for each in stage.service.of("Authenticate")] == ["/checkin", "/elsewhere"]


async def test_a_push_in_the_first_instant_is_not_lost(stage: Stage) -> None:
    device = stage.device()
    register = stage.push.register

    def push_at_once(token: bytes, topic: str, magic: str, wake: object) -> None:
        register(token, topic, magic, wake)  # pyright: ignore[reportArgumentType] - passed on as it came
        stage.push.push(token, magic)

    stage.push.register = push_at_once
    await device.enroll(stage.service.profile())
    await device.settle()
    assert "Idle" in stage.service.kinds()


# -- updates


async def test_a_failed_update_leaves_the_enrollment_whole(stage: Stage) -> None:
    device = await stage.enrolled()
    before, magic = enrollment_of(device), channel_of(device).magic
    stage.service.refuse("Authenticate", 500)
    with pytest.raises(InstallationFailed):
        await device.enroll(stage.service.profile())
    assert device.enrollment is before
    assert channel_of(device).magic == magic
    await wake(stage, device)
    assert stage.service.heard[-1].signer == before.identity.certificate


@pytest.mark.parametrize(
    "changes",
    [
        {"server_url": f"{ORIGIN}/mdm?session=2"},
        {"topic": f"{TOPIC}2"},
        {"identifier": "com.example.other"},
        {"capabilities": ()},
    ],
)
async def test_refuses_an_update_that_changes_what_must_stay(stage: Stage, changes: dict[str, object]) -> None:
    device = await stage.enrolled()
    issued = stage.service.issued
    with pytest.raises(InstallationFailed, match="refuses this update"):
        await device.enroll(stage.service.profile(**changes))
    assert stage.service.issued == issued


async def test_refuses_an_update_that_another_signed(stage: Stage) -> None:
    device = await stage.enrolled()
    other = create_authority("Other", datetime.now(UTC), key=rsa.generate_private_key(65537, 2048))
    profile = cms.sign(stage.service.profile(signed=False), other.certificate, other.key)
    with pytest.raises(InstallationFailed, match="signed by whom"):
        await device.enroll(profile)


@pytest.mark.parametrize(
    ("renewal", "says"),
    [(Renewal.AUTHENTICATE, ["Authenticate", "TokenUpdate"]), (Renewal.TOKEN_UPDATE, ["TokenUpdate"])],
)
async def test_renews_by_the_enrollment_profile_in_a_command(stage: Stage, renewal: Renewal, says: list[str]) -> None:
    device = await stage.enrolled(renewal=renewal)
    old, token, magic = enrollment_of(device).identity, channel_of(device).token, channel_of(device).magic
    stage.service.queue("InstallProfile", Payload=stage.service.profile())
    await wake(stage, device)
    new = enrollment_of(device).identity
    assert stage.service.kinds() == ["Idle", *says, "Acknowledged"]
    assert new.certificate != old.certificate
    assert new.key.public_key() != old.key.public_key()
    assert [each.signer for each in stage.service.heard[1:]] == [new.certificate] * (len(says) + 1)
    assert channel_of(device).token == token
    assert (channel_of(device).magic == magic) == (renewal is Renewal.TOKEN_UPDATE)
    await wake(stage, device)  # it listens for the magic that it has told


async def test_answers_error_to_a_renewal_that_it_refuses(stage: Stage) -> None:
    device = await stage.enrolled()
    before = enrollment_of(device)
    stage.service.queue("InstallProfile", Payload=stage.service.profile(server_url=f"{ORIGIN}/other"))
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Error"]
    assert device.enrollment is before


# -- the command channel


async def test_polls_until_there_is_nothing_more(stage: Stage) -> None:
    device = await stage.enrolled()
    uuids = [stage.service.queue("DeviceInformation", Queries=["UDID", "OSVersion", "Nonsense"]),
             stage.service.queue("ProfileList")]  # fmt: skip
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Acknowledged", "Acknowledged"]
    assert [each.keys["CommandUUID"] for each in stage.service.heard[1:]] == uuids
    assert stage.service.heard[1].keys["QueryResponses"] == {"UDID": device.facts.udid, "OSVersion": "18.2"}
    assert {each.headers["content-type"] for each in stage.service.heard} == {
        "application/x-apple-aspen-mdm; charset=UTF-8"
    }
    assert {each.path for each in stage.service.heard} == {"/mdm"}


async def test_a_push_with_another_magic_wakes_nobody(stage: Stage) -> None:
    device = await stage.enrolled()
    assert not stage.push.push(channel_of(device).token, "another")
    await device.settle()
    assert not stage.service.heard


async def test_pads_device_information_on_demand(stage: Stage) -> None:
    device = await stage.enrolled(information_size=4096)
    stage.service.queue("DeviceInformation", Queries=["UDID", "DeviceName", "OSVersion"])
    await wake(stage, device)
    assert 3500 < len(stage.service.heard[-1].body) < 4700


@pytest.mark.parametrize(
    ("model", "status"), [(Model.IPHONE, "CommandFormatError"), (Model.MAC, "Error")], ids=["iPhone", "Mac"]
)
async def test_an_unknown_command_is_refused_as_the_platform_does(stage: Stage, model: Model, status: str) -> None:
    device = await stage.enrolled(model, None)
    stage.service.queue("MakeCoffee")
    await wake(stage, device)
    assert stage.service.heard[-1].kind == status


async def test_a_command_without_a_required_key_is_a_format_error(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.queue("DeviceInformation")
    await wake(stage, device)
    assert stage.service.heard[-1].kind == "CommandFormatError"


async def test_a_command_beyond_the_access_rights_is_an_error(stage: Stage) -> None:
    device = stage.device()
    await device.enroll(stage.service.profile(access_rights=8191 & ~1024))
    stage.service.queue("SecurityInfo")
    await wake(stage, device)
    assert stage.service.heard[-1].kind == "Error"


async def test_installs_and_removes_other_profiles(stage: Stage) -> None:
    device = await stage.enrolled()
    other = samples.profile("com.example.wifi")
    stage.service.queue("InstallProfile", Payload=other)
    stage.service.queue("ProfileList")
    stage.service.queue("RemoveProfile", Identifier="com.example.wifi")
    stage.service.queue("RemoveProfile", Identifier="com.example.wifi")
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Acknowledged", "Acknowledged", "Acknowledged", "Error"]
    listed = stage.service.heard[2].keys["ProfileList"]
    assert isinstance(listed, list)
    assert len(listed) == 2
    assert device.state is State.ENROLLED


async def test_a_result_is_sent_again_after_503(stage: Stage) -> None:
    device = await stage.enrolled()
    uuid = stage.service.queue("SecurityInfo")
    stage.service.refuse("Acknowledged", 503, times=2)
    await wake(stage, device)
    assert [each.keys["CommandUUID"] for each in stage.service.of("Acknowledged")] == [uuid] * 3
    assert len({each.body for each in stage.service.of("Acknowledged")}) == 1


async def test_a_result_that_is_not_taken_comes_first_next_time(stage: Stage) -> None:
    device = await stage.enrolled()
    uuid = stage.service.queue("SecurityInfo")
    stage.service.refuse("Acknowledged", 500, times=3)
    await wake(stage, device)
    stage.service.heard.clear()
    stage.service.queue("ProfileList")
    await wake(stage, device)
    assert stage.service.kinds() == ["Acknowledged", "Acknowledged"]
    assert stage.service.heard[0].keys["CommandUUID"] == uuid
    await wake(stage, device)
    assert stage.service.heard[-1].kind == "Idle"


async def test_an_answer_that_is_no_command_is_complained_of(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.commands.append(dump({}))
    await wake(stage, device)
    assert len(device.complaints) == 1


# -- NotNow


async def test_polls_by_itself_after_not_now(stage: Stage) -> None:
    device = await stage.enrolled()
    device.busy = Busy(1, pause=0.01)
    command = stage.service.queue("SecurityInfo")
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "NotNow"]
    await _until(lambda: "Acknowledged" in stage.service.kinds())
    assert [each.keys.get("CommandUUID") for each in stage.service.heard] == [None, command, None, command]
    assert device.busy is None


async def test_does_not_poll_by_itself_when_not_now_was_not_the_last_word(stage: Stage) -> None:
    device = await stage.enrolled()
    device.busy = Busy(1, pause=0.0)
    stage.service.queue("SecurityInfo")
    stage.service.queue("ProfileList")  # which an iPhone never puts off
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "NotNow", "Acknowledged"]
    await _pass_time()
    assert len(stage.service.heard) == 3


async def test_a_command_that_comes_again_at_once_after_not_now_is_complained_of(stage: Stage) -> None:
    device = await stage.enrolled()
    device.busy = Busy(5, pause=60)
    stage.service.queue("SecurityInfo")
    stage.service.commands.append(stage.service.commands[0])
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "NotNow"]
    assert device.complaints


# -- leaving


@pytest.mark.parametrize("kind", ["Idle", "Acknowledged"])
async def test_401_removes_the_enrollment(stage: Stage, kind: str) -> None:
    device = await stage.enrolled()
    stage.service.queue("SecurityInfo")
    stage.service.refuse(kind, 401)
    token = channel_of(device).token
    await wake(stage, device)
    assert (device.state, device.enrollment) == (State.UNENROLLED, None)
    assert token not in stage.push.listening
    assert "CheckOut" not in stage.service.kinds()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", UNRECOGNIZED),
        ("application/xml", dump({"code": "com.apple.unrecognized.device"})),
        ("text/xml; charset=utf-8", dump({"code": "com.apple.unrecognized.device"})),
    ],
)
async def test_403_with_the_document_removes_the_enrollment(stage: Stage, content_type: str, body: bytes) -> None:
    device = await stage.enrolled()
    stage.service.refuse("Idle", 403, body, content_type)
    await wake(stage, device)
    assert device.state is State.UNENROLLED


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("text/plain", UNRECOGNIZED),
        ("application/json", b"{"),
        ("application/json", b'{"code": "com.apple.softwareupdate.required"}'),
        ("application/xml", UNRECOGNIZED),
    ],
)
async def test_403_without_the_document_changes_nothing(stage: Stage, content_type: str, body: bytes) -> None:
    device = await stage.enrolled()
    stage.service.refuse("Idle", 403, body, content_type)
    await wake(stage, device)
    assert device.state is State.ENROLLED


async def test_an_old_system_does_not_know_the_document(stage: Stage) -> None:
    device = await stage.enrolled(os_version="16.7.10")
    stage.service.refuse("Idle", 403, UNRECOGNIZED, "application/json")
    await wake(stage, device)
    assert device.state is State.ENROLLED


@pytest.mark.parametrize("status", [400, 404, 410, 413, 500, 503])
async def test_other_answers_keep_the_enrollment(stage: Stage, status: int) -> None:
    device = await stage.enrolled()
    stage.service.refuse("Idle", status)
    await wake(stage, device)
    assert device.state is State.ENROLLED


async def test_a_stubborn_device_passes_over_401(stage: Stage) -> None:
    device = await stage.enrolled(ignored_unenrollments=1)
    stage.service.refuse("Idle", 401, times=2)
    await wake(stage, device)
    assert device.state is State.ENROLLED
    await wake(stage, device)
    assert device.state is State.UNENROLLED


async def test_obeys_remove_profile_and_checks_out(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.queue("RemoveProfile", Identifier=stage.service.facts.identifier)
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Acknowledged", "CheckOut"]
    assert isinstance(read_checkin(stage.service.heard[-1].body), CheckOut)
    assert device.state is State.LEFT
    assert isinstance(await device.poll(), Failed)


async def test_checks_out_once_only_and_only_if_the_profile_wants_it(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.refuse("CheckOut", 503)
    await device.leave()
    assert stage.service.kinds() == ["CheckOut"]
    other = stage.device()
    await other.enroll(stage.service.profile(check_out_when_removed=False))
    stage.service.heard.clear()
    await other.leave()
    assert not stage.service.heard


@pytest.mark.parametrize(
    ("removal", "status"), [(Removal.ANSWER_ERROR, "Error"), (Removal.ACKNOWLEDGE_ONLY, "Acknowledged")]
)
async def test_a_stubborn_device_stays(stage: Stage, removal: Removal, status: str) -> None:
    device = await stage.enrolled(removal=removal)
    stage.service.queue("RemoveProfile", Identifier=stage.service.facts.identifier)
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", status]
    assert device.state is State.ENROLLED


async def test_erases_itself_without_a_word(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.queue("EraseDevice")
    await wake(stage, device)
    assert stage.service.kinds() == ["Idle", "Acknowledged"]
    assert device.state is State.ERASED


async def test_an_offline_device_says_nothing(stage: Stage) -> None:
    device = await stage.enrolled()
    device.go_offline()
    assert isinstance(await device.poll(), Failed)
    assert channel_of(device).token in stage.push.away
    device.go_online()
    assert await device.poll() == Accepted()


# -- what else devices do


async def test_waits_in_setup_assistant_until_it_is_configured(stage: Stage) -> None:
    device = stage.device(awaiting_configuration=True, supervised=True)
    stage.service.queue("DeviceConfigured")
    stage.service.queue("DeviceConfigured")
    await device.enroll(stage.service.profile())
    await device.settle()
    update = read_checkin(stage.service.of("TokenUpdate")[0].body)
    assert isinstance(update, TokenUpdate)
    assert update.awaiting_configuration
    assert stage.service.kinds()[2:] == ["Idle", "Acknowledged", "Error"]
    assert not device.is_awaiting


async def test_the_user_of_a_mac_has_a_channel_of_his_own(stage: Stage) -> None:
    user = User("cjoe", "Commando Joe", "A522C2FB-D0BA-487E-BBC6-BE0DB2DC7883")
    device = stage.device(Model.MAC, "15.2", user=user)
    await device.enroll(stage.service.profile())
    updates = [read_checkin(each.body) for each in stage.service.of("TokenUpdate")]
    assert [each.speaker.user_id for each in updates] == ["", user.guid]
    (channel,) = enrollment_of(device).users
    assert channel.token != channel_of(device).token
    stage.service.queue("ProfileList")
    stage.push.push(channel.token, channel.magic)
    await device.settle()
    assert [read_report(each.body).speaker.user_id for each in stage.service.heard[-2:]] == [user.guid] * 2


async def test_a_mac_gives_its_user_a_guid(stage: Stage) -> None:
    device = stage.device(Model.MAC, "15.2", user=User("ada", "Ada"))
    await device.enroll(stage.service.profile())
    assert len(read_report(enrollment_of(device).users[0].idle).speaker.user_id) == 36


async def test_a_user_who_is_not_managed_is_silent(stage: Stage) -> None:
    device = stage.device(Model.IPAD, "18.2", user=User("ida@example.com", "Ida"))
    stage.service.refuse("TokenUpdate", 200)
    stage.service.refuse("TokenUpdate", 410)
    await device.enroll(stage.service.profile())
    (channel,) = enrollment_of(device).users
    assert channel.names["UserID"] == "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
    assert channel.silent
    heard = len(stage.service.heard)
    stage.push.push(channel.token, channel.magic)
    await device.settle()
    assert len(stage.service.heard) == heard


async def test_escrows_a_bootstrap_token(stage: Stage) -> None:
    device = stage.device(Model.MAC, "15.2", bootstrap_token=True)
    await device.enroll(stage.service.profile())
    assert stage.service.kinds() == ["Authenticate", "TokenUpdate", "SetBootstrapToken"]


@pytest.mark.parametrize("broken", list(Broken))
async def test_sends_broken_results_that_can_still_be_attributed(stage: Stage, broken: Broken) -> None:
    device = await stage.enrolled(broken_results=broken)
    uuid = stage.service.queue("SecurityInfo")
    await wake(stage, device)
    body = stage.service.heard[-1].body
    with pytest.raises(ValueError, match=r".+"):
        read_report(body)
    report = read_lenient(body)
    assert (report.status, report.command_uuid) == (Status.ACKNOWLEDGED, uuid)


@pytest.mark.parametrize(
    ("signature", "digest"),
    [(Signed(), "sha256"), (Signed(digest="sha1"), "sha1"), (Signed(indefinite=True), "sha256")],
)
async def test_signs_as_devices_do(stage: Stage, signature: Signed, digest: str) -> None:
    device = await stage.enrolled(signature=signature, clock_skew=timedelta(minutes=-4))
    await device.poll()
    heard = stage.service.heard[-1]
    found = signature_from_header(heard.headers["mdm-signature"].encode(), heard.body)
    assert found.digest == digest
    assert found.signing_time is not None
    assert timedelta(minutes=3) < datetime.now(UTC) - found.signing_time < timedelta(minutes=5)


async def test_a_mac_does_not_sign_the_time(stage: Stage) -> None:
    device = await stage.enrolled(Model.MAC, None)
    await device.poll()
    heard = stage.service.heard[-1]
    assert signature_from_header(heard.headers["mdm-signature"].encode(), heard.body).signing_time is None


@pytest.mark.parametrize("proof", [ProxyHeader(), ProxyHeader("X-Client-Cert", "escaped-pem")])
async def test_plays_a_proxy_that_passes_the_certificate_on(stage: Stage, proof: ProxyHeader) -> None:
    device = await stage.enrolled(proof=proof)
    await device.poll()
    headers = stage.service.heard[-1].headers
    assert "mdm-signature" not in headers
    passed = certificate_from_header(headers[proof.name.lower()].encode())
    assert passed == enrollment_of(device).identity.certificate


async def test_synchronizes_declarations_when_told(stage: Stage) -> None:
    device = await stage.enrolled()
    answers: list[dict[str, object]] = [
        {"SyncTokens": {"DeclarationsToken": "one", "Timestamp": "2026-01-01T00:00:00Z"}},
        {
            "DeclarationsToken": "one",
            "Declarations": {
                "Activations": [{"Identifier": "a", "ServerToken": "1"}],
                "Assets": [],
                "Configurations": [],
                "Management": [],
            },
        },
        {"Type": "x", "Identifier": "a", "ServerToken": "1", "Payload": {}},
    ]
    for each in answers:
        stage.service.refuse("DeclarativeManagement", 200, json.dumps(each).encode(), "application/json")
    stage.service.queue("DeclarativeManagement")
    await wake(stage, device)
    asked = [each.keys["Endpoint"] for each in stage.service.of("DeclarativeManagement")]
    assert asked == ["tokens", "declaration-items", "declaration/activation/a", "status"]
    assert not device.complaints
    stage.service.refuse("DeclarativeManagement", 200, json.dumps(answers[0]).encode(), "application/json")
    stage.service.queue("DeclarativeManagement")
    await wake(stage, device)
    assert len(stage.service.of("DeclarativeManagement")) == 5


async def test_complains_of_declarations_that_are_none(stage: Stage) -> None:
    device = await stage.enrolled()
    stage.service.queue("DeclarativeManagement")
    await wake(stage, device)
    assert device.complaints == ["declarations: tokens answers no JSON"]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.005)


async def _pass_time() -> None:
    await asyncio.sleep(0.05)
