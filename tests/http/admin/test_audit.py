"""Who did what: every change over the API leaves its entry, refusals do too, and strangers cannot fill the trail."""

import base64
from typing import Any

import httpx

import samples
from contract import values as v
from corral.apple.report import Status
from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.change import Change, Escrow, Result
from corral.lifecycle.state import EscrowKind
from inprocess import Installation

PASSWORD = "correct horse battery"


async def entries(installation: Installation, **query: object) -> list[dict[str, Any]]:
    return (await installation.get("/audit", **query))["entries"]


async def arrange(installation: Installation) -> dict[str, str]:
    """Something of everything that an address can name."""
    await installation.push_certificate()
    device = await installation.device()
    link = (await installation.post("/links", {"uses": None}))["link"]["id"]
    sent = await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    token = (await installation.post("/tokens", {"name": "x", "role": "viewer"}))["credential"]["id"]
    await installation.post("/users", {"name": "ann", "role": "viewer", "password": PASSWORD})
    session = await installation.post("/sessions", {"name": "ann", "password": PASSWORD})
    await installation.post("/roles", {"name": "desk", "permissions": ["devices:read"]})
    escrow = Escrow(connection_id="C1", kind=EscrowKind.UNLOCK_TOKEN, value=b"UNLOCK", at=v.NOW)
    await installation.corral.store.devices.commit(Change(escrow=(escrow,)))
    return {
        "device": device,
        "link": link,
        "command": sent["command_uuid"],
        "token": token,
        "user": "ann",
        "session": session["session"]["id"],
        "role": "desk",
    }


CHANGES: tuple[tuple[str, str, str, Any, str], ...] = (
    ("create_link", "POST", "/links", {}, "link.created"),
    ("make_profile", "POST", "/links/{link}/profile", {"signed": False}, "link.profile-made"),
    ("revoke_link", "DELETE", "/links/{link}", None, "link.revoked"),
    ("put_policy", "PUT", "/policy", {"rules": []}, "policy.changed"),
    ("put_schedule", "PUT", "/inventory/schedule", {"rules": []}, "inventory.schedule-changed"),
    ("refresh_device", "POST", "/devices/{device}/inventory/refresh", {}, "inventory.asked-for"),
    ("refresh_devices", "POST", "/inventory/refresh", {"devices": ["D1"]}, "inventory.asked-for"),
    ("cancel_command", "DELETE", "/commands/{command}", None, "command.cancelled"),
    ("send_command", "POST", "/commands", {"devices": ["D1"], "request_type": "SecurityInfo"}, "command.queued"),
    ("clear_commands", "DELETE", "/devices/{device}/commands", None, "queue.cleared"),
    ("show_escrow", "POST", "/devices/{device}/escrow/show", {"number": 1, "reason": "help"}, "escrow.shown"),
    ("end_device", "POST", "/devices/{device}/end", {}, "connection.ending"),
    ("block_device", "POST", "/devices/{device}/block", {"reason": "lost"}, "device.blocked"),
    ("unblock_device", "POST", "/devices/{device}/unblock", None, "device.unblocked"),
    ("revoke_certificate", "POST", "/devices/{device}/revoke-certificate", {"reason": "lost"}, "certificate.revoked"),
    ("create_token", "POST", "/tokens", {"name": "y", "role": "viewer"}, "token.created"),
    ("revoke_token", "DELETE", "/tokens/{token}", None, "token.revoked"),
    ("create_role", "POST", "/roles", {"name": "new", "permissions": []}, "role.created"),
    ("change_role", "PUT", "/roles/{role}", {"permissions": ["links:read"]}, "role.changed"),
    ("remove_role", "DELETE", "/roles/{role}", None, "role.removed"),
    ("add_user", "POST", "/users", {"name": "bob", "role": "viewer"}, "user.added"),
    ("end_session", "DELETE", "/sessions/{session}", None, "session.ended"),
    ("begin_session", "POST", "/sessions", {"name": "ann", "password": PASSWORD}, "session.begun"),
    ("set_user_password", "POST", "/users/{user}/password", {"password": "another password"}, "user.password-set"),
    ("set_user_role", "POST", "/users/{user}/role", {"role": "operator"}, "user.role-set"),
    ("disable_user", "POST", "/users/{user}/disable", None, "user.disabled"),
    ("enable_user", "POST", "/users/{user}/enable", None, "user.enabled"),
    (
        "request_push_certificate",
        "POST",
        "/push-certificates/request",
        {"common_name": "x"},
        "push-certificate.requested",
    ),
    ("add_ade_server", "POST", "/ade/servers", {"name": "main"}, "ade.server-added"),
    ("remove_ade_server", "DELETE", "/ade/servers/main", None, "ade.server-removed"),
)
"""In an order in which each can be done."""


async def test_every_change_leaves_who_what_on_what_and_from_where(installation: Installation) -> None:
    values = await arrange(installation)
    for operation, method, path, body, what in CHANGES:
        headers = {"authorization": f"Bearer {installation.token}", "user-agent": "walker/1", "x-request-id": operation}
        response = await installation.remote.request(method, path.format(**values), json=body, headers=headers)
        assert response.is_success, response.text
        assert response.headers["x-request-id"] == operation
        found = await entries(installation, operation=operation, what=what, limit=1)
        assert found, operation
        (newest,) = found
        actor = newest["actor"]
        assert newest["outcome"] == "done"
        assert (actor["user_agent"], actor["request_id"], actor["address"]) == ("walker/1", operation, "127.0.0.1")
        expected = ("nobody", "nobody") if operation == "begin_session" else ("token", "first administrator")
        assert (actor["kind"], actor["name"]) == expected
        if "/devices/{device}" in path:
            assert newest["device_id"] == values["device"], operation


async def test_what_is_refused_by_the_state_of_things_is_told_too(installation: Installation) -> None:
    device = await installation.device()
    assert (await installation.api.delete(f"/devices/{device}")).status_code == 409
    (refused,) = await entries(installation, outcome="refused")
    assert (refused["operation"], refused["data"]["device"]) == ("forget_device", device)
    assert "is connected" in refused["data"]["detail"]


UNTOLD = {
    "try_policy": "changes nothing",
    "begin_sign_in": "changes nothing",
    "decide_takeover": "goes the same way as end_device",
    "import_push_certificate": "while this is arranged",
    "forget_device": "tests/contract/test_audit.py",
    "lint_profile": "changes nothing",
    **dict.fromkeys(
        (
            *("add_webhook", "change_webhook", "remove_webhook", "rotate_webhook"),
            *("test_webhook", "replay_webhook", "resend_letters"),
        ),
        "tests/contract/test_webhooks.py, with the events of each",
    ),
    **dict.fromkeys(
        (
            "add_stored_profile",
            "put_profile_version",
            "remove_stored_profile",
            "add_app",
            "forget_app",
            "rotate_authority",
            "retire_authority",
        ),
        "tests/contract, with the events of each",
    ),
    **dict.fromkeys(
        ("install_profile", "uninstall_profile", "install_app", "uninstall_app", "wake_device", "reveal_command"),
        "goes the same way as send_command, or show_escrow",
    ),
    "renew_device": "goes the same way as end_device",
    **dict.fromkeys(("end_devices", "block_devices", "renew_devices", "wake_devices"), "test_many_devices.py"),
    "return_to_service": "goes the same way as send_command",
    "rotate_filevault_key": "goes the same way as send_command",
    "close_breaker": "tests/contract/test_audit.py",
    "revoke_account_session": "tests/contract/test_audit.py",
    "end_own_session": "goes the same way as end_session",
    "change_own_password": "goes the same way as set_user_password",
}
"""What is not in CHANGES: where it is looked at instead, or why nowhere."""


def test_no_change_is_forgotten_here() -> None:
    changing = {each.serve.__name__ for each in ENDPOINTS if each.method != "GET" and not each.path.startswith("/ade/")}
    told = {operation for operation, *_ in CHANGES if not operation.endswith("_server")}
    assert changing - told == UNTOLD.keys()


async def test_looks_at_what_is_secret_are_entries_and_other_reads_are_not(installation: Installation) -> None:
    device = await installation.device()
    sent = await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    count = len(await entries(installation))
    await installation.get("/devices")
    await installation.get(f"/devices/{device}")
    assert len(await entries(installation)) == count
    uuid = sent["command_uuid"]
    assert (await installation.api.get(f"/commands/{uuid}/result?device={device}")).status_code == 404
    assert len(await entries(installation)) == count, "nothing was shown"
    await installation.corral.store.devices.commit(Change(result=_result(uuid)))
    assert (await installation.api.get(f"/commands/{uuid}/result?device={device}")).status_code == 200
    newest = (await entries(installation))[0]
    assert (newest["what"], newest["data"]) == ("show_result", {"command": uuid, "device": device})
    added = await installation.post("/profiles", {"content": base64.b64encode(samples.PROFILE).decode()})
    profile = added["profile"]["identifier"]
    assert (await installation.api.get(f"/profiles/{profile}/content")).status_code == 200
    question = {"format": "csv", "query": "os_version < 99"}
    assert (await installation.api.get("/inventory/export", params=question)).status_code == 200
    exported, looked_at = (await entries(installation))[:2]
    assert (looked_at["what"], looked_at["data"]) == ("show_profile_content", {"profile": profile})
    assert (exported["what"], exported["data"]) == ("export_inventory", question)


def test_what_is_secret_or_of_all_is_looked_at_with_an_entry() -> None:
    """What has a reason to give, or an event of its own, is in CHANGES."""
    assert {each.path for each in ENDPOINTS if each.watched} == {
        "/commands/{command}/result",
        "/profiles/{profile}/content",
        "/inventory/export",
    }


def _result(uuid: str) -> Any:
    return Result(channel_id="C1", command_uuid=uuid, status=Status.ACKNOWLEDGED, body=b"<plist/>", received_at=v.NOW)


async def test_refusals_are_entries_with_the_reason(installation: Installation) -> None:
    made = await installation.post("/tokens", {"name": "eve", "role": "viewer"})
    headers = {"authorization": f"Bearer {made['token']}"}
    assert (await installation.remote.post("/links", json={}, headers=headers)).status_code == 403
    assert (await installation.remote.get("/tokens", headers=headers)).status_code == 403
    assert (await installation.remote.get("/devices/nobody", headers=headers)).status_code == 404
    found = await entries(installation, actor="eve")
    assert [(each["operation"], each["outcome"], each["data"]["status"]) for each in found] == [
        ("list_tokens", "refused", 403),
        ("create_link", "refused", 403),
    ]
    assert "links:write" in found[1]["data"]["detail"]


async def test_failed_sign_ins_say_as_whom_and_from_where_and_not_with_what(installation: Installation) -> None:
    await installation.post("/users", {"name": "ann", "role": "viewer", "password": PASSWORD})
    await installation.remote.post("/sessions", json={"name": "a word that is no name", "password": PASSWORD})
    await installation.remote.post("/sessions", json={"name": "Ann", "password": "the wrong password"})
    told, unknown = await entries(installation, operation="begin_session")
    assert "who" not in unknown["data"]
    assert (told["outcome"], told["data"]["who"]) == ("refused", "ann")
    assert told["actor"]["address"] == "127.0.0.1"
    assert "the wrong password" not in (await installation.api.get("/audit")).text


async def test_strangers_cannot_fill_the_trail(installation: Installation) -> None:
    before = len(await entries(installation, limit=500))
    for number in range(60):
        headers = {"authorization": f"Bearer corral_{number}"}
        assert (await installation.remote.get("/status", headers=headers)).status_code == 401
        assert (await installation.remote.get("/status")).status_code == 401
        await installation.remote.post("/sessions", json={"name": "root", "password": "the wrong password"})
    told = await entries(installation, limit=500)
    assert 0 < len(told) - before <= 20
    assert {each["what"] for each in told if each["actor"]["kind"] == "nobody"} == {"authenticate", "begin_session"}


ODD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/sessions", {"json": {}}),
    ("POST", "/sessions", {"content": b"no JSON", "headers": {"content-type": "application/json"}}),
    ("POST", "/sessions", {"json": {"sign_in": "x", "code": "y"}}),
    ("POST", "/sign-ins", {}),
    ("GET", "/sign-ins/callback", {"params": {"state": "x", "code": "y"}}),
)


async def test_strangers_cannot_fill_the_trail_with_what_is_no_sign_in(installation: Installation) -> None:
    before = len(await entries(installation, limit=500))
    for method, path, asked in ODD * 8:
        assert 400 <= (await installation.remote.request(method, path, **asked)).status_code < 500, path
    assert 0 < len(await entries(installation, limit=500)) - before <= 10


async def test_each_look_at_a_kept_answer_is_told(installation: Installation) -> None:
    headers = {"idempotency-key": "again"}
    for _ in range(3):
        made = await installation.api.post("/tokens", json={"name": "y", "role": "viewer"}, headers=headers)
        assert made.status_code == 201
    found = await entries(installation, operation="create_token")
    assert [(each["what"], each["data"].get("replayed")) for each in found] == [
        ("create_token", True),
        ("create_token", True),
        ("token.created", None),
    ]


async def test_nothing_secret_is_in_the_trail(installation: Installation) -> None:
    await arrange(installation)
    made = await installation.post("/tokens", {"name": "z", "role": "viewer"})
    await installation.post("/commands", {"devices": ["D1"], "request_type": "DeviceLock", "keys": {"PIN": "314159"}})
    await installation.push_certificate()
    text = (await installation.api.get("/audit", params={"limit": 500})).text
    text += (await installation.api.get("/audit/chain")).text
    for secret in (PASSWORD, made["token"], "314159", "PRIVATE KEY", "UNLOCK", installation.token):
        assert secret not in text, secret


async def test_pages_follow_each_other_and_filters_hold(installation: Installation) -> None:
    for number in range(5):
        await installation.post("/links", {"note": str(number)})
    first = await installation.get("/audit", what="link.created", limit=2)
    second = await installation.get("/audit", what="link.created", limit=4, before=first["next"])
    assert [each["data"]["note"] for each in (*first["entries"], *second["entries"])] == ["4", "3", "2", "1", "0"]
    assert second["next"] is None
    assert (await installation.api.get("/audit", params={"outcome": "happy"})).status_code == 422


async def test_the_trail_is_linked_and_verified_over_the_api(installation: Installation) -> None:
    await installation.post("/links", {})
    waiting = await installation.get("/audit/verification")
    assert (waiting["holds"], waiting["entries"]) == (True, 0)
    assert waiting["waiting"] > 0
    await installation.corral.services.access.audit.round()
    verdict = await installation.get("/audit/verification")
    assert (verdict["holds"], verdict["entries"], verdict["waiting"]) == (True, waiting["waiting"], 0)
    page = await installation.get("/audit/chain")
    assert page["head"] == {"place": verdict["entries"], "link": page["entries"][-1]["link"]}


async def test_an_answer_has_a_number_of_its_own_where_none_was_given(installation: Installation) -> None:
    numbers = set[str]()
    for given in (None, "", "a b", "x" * 65, "\xe9"):
        headers = httpx.Headers({"x-request-id": given} if given is not None else {}, encoding="latin-1")
        numbers.add((await installation.api.get("/status", headers=headers)).headers["x-request-id"])
        numbers.add((await installation.api.get("/nothing", headers=headers)).headers["x-request-id"])
    assert len(numbers) == 10
