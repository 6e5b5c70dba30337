"""Devices over the API: found, shown, ended, blocked, renewed, forgotten."""

import base64
from typing import Any, get_args

import pytest

from corral.http.admin.resources.device_views import Way
from corral.lifecycle.change import Change, Escrow
from corral.lifecycle.state import DAY, EnrollmentKind, EscrowKind, Phase
from corral.service.clock import to_datetime
from corral.store.contacts import Heard
from corral.store.device_listing import RESTORE
from inprocess import DER, PUSH_MAGIC, PUSH_TOKEN, Installation


async def test_devices_are_listed_by_id_page_by_page(installation: Installation) -> None:
    for _ in range(5):
        await installation.device()
    first = await installation.get("/devices", limit=2)
    second = await installation.get("/devices", limit=2, after=first["next"])
    third = await installation.get("/devices", limit=2, after=second["next"])
    pages = [[each["device"]["id"] for each in page["devices"]] for page in (first, second, third)]
    assert pages == [["D1", "D2"], ["D3", "D4"], ["D5"]]
    assert third["next"] is None


async def test_a_full_last_page_has_no_next(installation: Installation) -> None:
    for _ in range(2):
        await installation.device()
    assert (await installation.get("/devices", limit=2))["next"] is None


async def test_they_are_found_by_the_start_of_id_serial_and_name_and_by_phase(installation: Installation) -> None:
    await installation.device(name="Ada's Mac")
    await installation.device(Phase.ENDED)

    async def found(**query: str) -> list[str]:
        return [each["device"]["id"] for each in (await installation.get("/devices", **query))["devices"]]

    assert await found(search="D1") == ["D1"]
    assert await found(search="SERIAL2") == ["D2"]
    assert await found(search="Ada") == ["D1"]
    assert await found(phase="ended") == ["D2"]
    assert await found(phase="ended", search="Ada") == []
    assert await found(search="%") == []


async def test_they_are_found_by_what_became_of_them(installation: Installation) -> None:
    await installation.device(name="Ada's Mac", model="MQKJ3LL/A")
    await installation.device()
    long_ago = installation.now - 40 * DAY
    seen = [Heard(channel_id=name, last_seen=at, count=1) for name, at in (("C1", long_ago), ("C2", installation.now))]
    await installation.corral.store.contacts.flush(seen, [])

    async def found(**query: object) -> list[str]:
        return [each["device"]["id"] for each in (await installation.get("/devices", **query))["devices"]]

    assert await found(contains="3ll/A") == ["D1"]
    assert await found(contains="rial") == ["D1", "D2"]
    assert await found(not_seen_for=30 * 86400) == ["D1"]
    assert await found(seen_within=3600) == ["D2"]
    assert await found(seen_before=to_datetime(long_ago).isoformat()) == []
    assert await found(seen_after=to_datetime(long_ago).isoformat()) == ["D1", "D2"]
    assert await found(way="automated") == await found(supervised="true") == []
    twice = {"seen_within": 1, "seen_after": "2026-09-21T00:00:00Z"}
    assert (await installation.api.get("/devices", params=twice)).status_code == 422
    (first, _) = (await installation.get("/devices"))["devices"]
    assert (first["way"], first["supervised"]) == (None, None)


def test_every_way_has_its_word() -> None:
    assert set(get_args(Way)) == {*EnrollmentKind, RESTORE}


@pytest.mark.parametrize("name", ["D1", "SERIAL1", "C1"])
async def test_a_device_is_known_by_its_id_serial_and_connection(name: str, installation: Installation) -> None:
    await installation.device(os_version="26.1", platform="iOS")
    shown = await installation.get(f"/devices/{name}")
    assert shown["device"]["id"] == "D1"
    assert shown["device"]["os_version"] == "26.1"
    assert shown["connections"][0]["phase"] == "connected"
    assert shown["channels"][0]["has_token"] is True
    assert shown["certificates"][0]["not_after"] == "2027-09-21T14:13:20Z"


async def test_an_unknown_device_is_404_everywhere(installation: Installation) -> None:
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/timeline"),
        ("POST", "/end"),
        ("POST", "/block"),
        ("POST", "/unblock"),
        ("POST", "/renew"),
        ("DELETE", "/commands"),
    ):
        response = await installation.api.request(method, f"/devices/nobody{path}")
        assert response.status_code == 404, path
        assert "nobody" in response.json()["detail"]


async def test_nothing_secret_is_shown(installation: Installation) -> None:
    device = await installation.device(user="U1")
    await installation.push_certificate()
    await installation.post("/commands", {"devices": [device], "request_type": "DeviceLock", "keys": {"PIN": "314159"}})
    await installation.post(f"/devices/{device}/block", {"reason": "lost"})
    command = (await installation.get("/commands"))["commands"][0]["command_uuid"]
    for path in (
        "/devices",
        f"/devices/{device}",
        f"/devices/{device}/timeline",
        "/commands",
        f"/commands/{command}",
        "/push-certificates",
        "/tokens",
        "/events",
        "/status",
    ):
        text = (await installation.api.get(path)).text
        for secret in (PUSH_TOKEN.decode(), PUSH_TOKEN.hex(), PUSH_MAGIC, DER.decode(), "PRIVATE KEY", "314159"):
            assert secret not in text, path


async def test_a_connection_is_ended_with_a_deadline(installation: Installation) -> None:
    device = await installation.device()
    shown = await installation.post(f"/devices/{device}/end", {"deadline_in": 3600})
    life = shown["connections"][0]
    assert life["phase"] == "ending"
    assert life["ending_by"] == "local administrator"
    # A connection whose profile is not known here cannot be removed by name: it is told to leave at once.
    assert life["ending_deadline"] == "2026-09-21T14:13:20Z"
    types = [each["data"].get("type") for each in (await installation.get(f"/devices/{device}/timeline"))["entries"]]
    assert "connection.ending" in types


async def test_an_installation_that_is_not_finished_is_over_at_once(installation: Installation) -> None:
    device = await installation.device(Phase.AUTHENTICATING)
    shown = await installation.post(f"/devices/{device}/end")
    assert shown["connections"][0]["phase"] == "ended"


async def test_what_is_over_cannot_be_ended_again(installation: Installation) -> None:
    device = await installation.device(Phase.ENDED)
    response = await installation.api.post(f"/devices/{device}/end")
    assert response.status_code == 409


async def test_a_device_is_blocked_and_let_in_again(installation: Installation) -> None:
    device = await installation.device()
    shown = await installation.post(f"/devices/{device}/block", {"reason": "stolen"})
    assert (shown["device"]["blocked_at"], shown["device"]["blocked_reason"]) == ("2026-09-21T14:13:20Z", "stolen")
    shown = await installation.post(f"/devices/{device}/unblock")
    assert shown["device"]["blocked_at"] is None
    again = await installation.api.post(f"/devices/{device}/unblock")
    assert again.status_code == 409


async def test_only_a_device_that_left_can_be_forgotten(installation: Installation) -> None:
    device = await installation.device()
    refused = await installation.api.delete(f"/devices/{device}")
    assert refused.status_code == 409
    assert "end" in refused.json()["detail"]
    gone = await installation.device(Phase.ENDED)
    await installation.delete(f"/devices/{gone}")
    assert (await installation.api.get(f"/devices/{gone}")).status_code == 404


async def test_a_connection_without_a_known_profile_cannot_be_renewed(installation: Installation) -> None:
    device = await installation.device()
    response = await installation.api.post(f"/devices/{device}/renew")
    assert response.status_code == 422
    assert "enroll the device again" in response.json()["detail"]


async def test_the_timeline_goes_back_page_by_page(installation: Installation) -> None:
    device = await installation.device()
    for turn in range(4):
        installation.now += 1017
        await installation.post(f"/devices/{device}/{('block', 'unblock')[turn % 2]}", {} if turn % 2 == 0 else None)
    found: list[str] = []
    query: dict[str, str] = {}
    while True:
        page = await installation.get(f"/devices/{device}/timeline", limit=1, **query)
        found += [each["data"]["type"] for each in page["entries"]]
        if page["next"] is None:
            break
        query = {"before": page["next"]}
    assert found == ["device.unblocked", "device.blocked"] * 2


async def test_a_timeline_has_pages_that_end_between_two_entries_of_one_moment(installation: Installation) -> None:
    await installation.device()
    for _ in range(3):
        await installation.post("/devices/D1/block", {})
        await installation.post("/devices/D1/unblock")
    everything = (await installation.get("/devices/D1/timeline"))["entries"]
    assert len(everything) >= 6
    pages: list[Any] = []
    page = await installation.get("/devices/D1/timeline", limit=1)
    while True:
        pages += page["entries"]
        if page["next"] is None:
            break
        page = await installation.get("/devices/D1/timeline", limit=1, before=page["next"])
    assert pages == everything
    now = to_datetime(installation.now).isoformat()
    assert (await installation.get("/devices/D1/timeline", before=now))["entries"] == []
    for before in ("soon", "1.9.1", "2026-09-21T00:00:00"):
        assert (await installation.api.get("/devices/D1/timeline", params={"before": before})).status_code == 422


async def test_the_timeline_tells_why_the_next_command_waits(installation: Installation) -> None:
    device = await installation.device()
    await installation.post(
        "/commands", {"devices": [device], "request_type": "ProfileList", "not_before_in": DAY // 1000}
    )
    (waiting,) = (await installation.get(f"/devices/{device}/timeline"))["waiting"]
    assert waiting["request_type"] == "ProfileList"
    assert waiting["until"] == "2026-09-22T14:13:20Z"


async def test_escrowed_secrets_are_listed_without_values_and_shown_for_a_reason(installation: Installation) -> None:
    device = await installation.device()
    for value in (b"first", b"second", None):
        kept = Escrow(connection_id="C1", kind=EscrowKind.BOOTSTRAP_TOKEN, value=value, at=installation.now)
        await installation.corral.store.devices.commit(Change(escrow=(kept,), at=installation.now))
    listed = (await installation.get(f"/devices/{device}/escrow"))["secrets"]
    assert [(each["kind"], each["withdrawn"]) for each in listed] == [
        ("bootstrap-token", True),
        ("bootstrap-token", False),
        ("bootstrap-token", False),
    ]
    assert "value" not in listed[1]
    path = f"/devices/{device}/escrow/show"
    shown = await installation.post(path, {"number": listed[2]["number"], "reason": "the owner asked"})
    assert base64.b64decode(shown["value"]) == b"first"
    (told,) = [each for each in (await installation.get("/events"))["events"] if each["type"] == "escrow.shown"]
    assert told["device_id"] == device
    assert (told["data"]["reason"], told["data"]["number"]) == ("the owner asked", listed[2]["number"])
    assert told["data"]["by"]
    assert "first" not in str(told)


async def test_nothing_is_shown_without_a_reason_or_of_another_device(installation: Installation) -> None:
    device, other = await installation.device(), await installation.device()
    kept = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"secret", at=installation.now)
    await installation.corral.store.devices.commit(Change(escrow=(kept,), at=installation.now))
    (number,) = [each["number"] for each in (await installation.get(f"/devices/{device}/escrow"))["secrets"]]
    refused: list[tuple[str, dict[str, Any], int]] = [
        (device, {"number": number}, 422),
        (device, {"number": number, "reason": ""}, 422),
        (device, {"number": number, "reason": "  "}, 422),
        (other, {"number": number, "reason": "curious"}, 404),
        (device, {"number": number + 1, "reason": "curious"}, 404),
    ]
    for whose, body, status in refused:
        answer = await installation.api.post(f"/devices/{whose}/escrow/show", json=body)
        assert answer.status_code == status, body
        assert "secret" not in answer.json().get("value", "")
    assert "escrow.shown" not in str(await installation.get("/events"))


async def test_a_certificate_is_revoked_and_what_follows_is_said(installation: Installation) -> None:
    device = await installation.device()
    (held,) = (await installation.get(f"/devices/{device}"))["certificates"]
    answer = await installation.post(f"/devices/{device}/revoke-certificate", {"reason": "stolen"})
    assert answer["revoked"] == [held["fingerprint"]]
    assert "enrolls anew" in answer["what_follows"]
    shown = await installation.get(f"/devices/{device}")
    assert shown["certificates"][0]["status"] == "revoked"
    assert shown["connections"][0]["phase"] == "connected"
    (told,) = [each for each in (await installation.get("/events"))["events"] if each["type"] == "certificate.revoked"]
    assert told["data"]["why"] == "stolen"
    again = await installation.api.post(f"/devices/{device}/revoke-certificate", json={"reason": "stolen"})
    assert again.status_code == 409
    one = {"reason": "stolen", "fingerprint": held["fingerprint"]}
    assert (await installation.api.post(f"/devices/{device}/revoke-certificate", json=one)).status_code == 404
