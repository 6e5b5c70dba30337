"""Each of Apple's enrollment errors, by each way by which a device may meet it, as JSON and as a property list.

Apple: "Error Codes" of Device Management. What the person reads and what the operator reads is looked at as well.
"""

import base64
import json
import plistlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from corral.apple.machine_info import HEADER, MachineInfo, write_machine_info
from corral.simulator.asking import (
    Demand,
    MustPair,
    MustSignIn,
    MustUpdate,
    Undiscovered,
    Unwanted,
    read_demand,
)
from corral.simulator.device import Device
from corral.simulator.factory import machine_info, signed_machine_info
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.setup_assistant import set_up
from corral.simulator.transport import Response
from corral.simulator.world import State
from e2e.account_place import ANN, BOB, Place, place
from e2e.factory import automated, begin, made, post, rule, ruled, told
from e2e.installation import Template

PLIST, JSON = "application/xml", "application/json"
SSO = {
    "profile_url": "https://a.example/p",
    "auth_url": "https://a.example/s",
    "manifest_url": "https://a.example/m",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def at(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    async with place(template, tmp_path_factory.mktemp("errors"), CORRAL_ACCOUNT_DEVICE_FOR=BOB) as made_place:
        yield made_place


async def by_setup_assistant(at: Place, device: Device, info: MachineInfo, accept: str) -> Response:
    body = signed_machine_info(made(at.corral, device), info)
    return await post(at.corral, body, headers={"Accept": accept})


async def by_web_view(at: Place, device: Device, info: MachineInfo, accept: str) -> Response:
    message = base64.b64encode(signed_machine_info(made(at.corral, device), info)).decode()
    headers = (("Accept", accept), (HEADER, message))
    return await _get(at, "/enroll/automated/web", headers)


async def over_the_air(at: Place, device: Device, info: MachineInfo, accept: str) -> Response:
    first = await begin(at.corral, device)
    body = signed_machine_info(made(at.corral, device), replace(info, challenge=first.challenge))
    return await post(at.corral, body, first.url.removeprefix(at.corral.url), {"Accept": accept})


async def with_an_account(at: Place, device: Device, info: MachineInfo, accept: str) -> Response:
    _, bearer = await at.profile(at.corral.device(), BOB)
    headers = {"Accept": accept, "Authorization": f"Bearer {bearer.access}"}
    return await post(
        at.corral, made(at.corral, device).sign(write_machine_info(info)), "/enroll/account/device", headers
    )


async def looking_up_an_account(at: Place, device: Device, info: MachineInfo, accept: str) -> Response:
    del device, info
    path = f"/.well-known/com.apple.remotemanagement?user-identifier={ANN}&model-family=iPhone"
    return await _get(at, path, (("Accept", accept),))


async def _get(at: Place, path: str, headers: tuple[tuple[str, str], ...]) -> Response:
    return await at.corral.transport.request("GET", f"{at.corral.url}{path}", headers=headers, trust=at.trust)


UPDATE = {"do": "require-update", "minimum": "18.2", "build": "22C152", "beta_description": "Beta", "beta_token": "T"}
UNWANTED = {"do": "decline", "unrecognized": True}


CODES: dict[type[Demand], str] = {
    MustUpdate: "com.apple.softwareupdate.required",
    Unwanted: "com.apple.unrecognized.device",
    MustPair: "com.apple.watch.pairing.token.missing",
    MustSignIn: "com.apple.psso.required",
}


def case(way: Any, model: Model, system: str, then: dict[str, Any], demand: type[Demand], **facts: Any) -> Any:
    code = CODES[demand]
    return pytest.param(
        way, model, system, then, code, demand, facts, id=f"{code.removeprefix('com.apple.')} {way.__name__}"
    )


@pytest.mark.parametrize(
    ("way", "model", "system", "then", "code", "demand", "facts"),
    [
        case(by_setup_assistant, Model.IPHONE, "17.6.1", UPDATE, MustUpdate),
        case(by_web_view, Model.IPHONE, "17.6.1", UPDATE, MustUpdate),
        case(
            by_setup_assistant,
            Model.MAC,
            "15.1",
            UPDATE,
            MustUpdate,
            must_update=True,
            can_request_software_update=False,
        ),
        case(by_setup_assistant, Model.IPHONE, "18.2", UNWANTED, Unwanted),
        case(by_web_view, Model.IPHONE, "18.2", UNWANTED, Unwanted),
        case(over_the_air, Model.IPHONE, "18.2", UNWANTED, Unwanted),
        case(with_an_account, Model.IPHONE, "18.2", UNWANTED, Unwanted),
        case(by_setup_assistant, Model.WATCH, "11.2", {"do": "require-pairing"}, MustPair),
        case(by_web_view, Model.WATCH, "11.2", {"do": "require-pairing"}, MustPair),
        case(
            by_setup_assistant,
            Model.MAC,
            "15.2",
            {"do": "require-platform-sso", **SSO},
            MustSignIn,
            can_request_platform_sso=True,
        ),
        case(
            by_web_view,
            Model.MAC,
            "15.2",
            {"do": "require-platform-sso", **SSO},
            MustSignIn,
            can_request_platform_sso=True,
        ),
    ],
)
async def test_a_device_is_told_in_either_form_and_its_person_and_operator_read_why(
    at: Place,
    way: Any,
    model: Model,
    system: str,
    then: dict[str, Any],
    code: str,
    demand: type[Demand],
    facts: dict[str, Any],
) -> None:
    device, before = at.corral.device(model, system), await at.corral.cursor()
    info = replace(machine_info(device.facts), **facts)
    name = await rule(at.corral, device, message="A sentence for a person.", **then)
    as_json, as_plist = await way(at, device, info, "*/*"), await way(at, device, info, PLIST)
    assert (as_json.status, as_json.headers["content-type"]) == (403, JSON)
    assert (as_plist.status, as_plist.headers["content-type"]) == (403, PLIST)
    one, other = json.loads(as_json.body), plistlib.loads(as_plist.body)
    for document in (one, other):
        if demand is MustPair:
            assert document["details"].pop("security-token").islower()
    assert one == other
    assert (one["code"], one["message"]) == (code, "A sentence for a person.")
    assert isinstance(read_demand(as_json), demand)
    assert isinstance(read_demand(as_plist), demand)
    (refused,) = await told(at.corral, before, "enrollment.refused")
    assert (refused["answer"], refused["rule"], refused["serial_number"]) == (code, name, device.facts.serial_number)
    timeline = await at.corral.get(f"/devices/{device.facts.udid}/timeline")
    assert [each["data"]["type"] for each in timeline["entries"]] == ["enrollment.refused"]


async def test_an_account_that_is_looked_up_is_told_in_either_form(at: Place) -> None:
    device, before = at.corral.device(), await at.corral.cursor()
    info = machine_info(device.facts)
    async with ruled(at.corral, {"when": {"account": [ANN]}, "then": {"do": "decline", "message": "Ask Bob."}}):
        as_json = await looking_up_an_account(at, device, info, JSON)
        as_plist = await looking_up_an_account(at, device, info, "application/xml, application/json;q=0.5")
    assert json.loads(as_json.body) == plistlib.loads(as_plist.body)
    assert json.loads(as_json.body)["message"] == "Ask Bob."
    for answer in (as_json, as_plist):
        assert read_demand(answer) == Undiscovered()
    (refused,) = await told(at.corral, before, "enrollment.refused")
    assert (refused["answer"], refused["account"]) == ("com.apple.well-known.failed", ANN)


@pytest.mark.parametrize("way", [over_the_air, with_an_account])
async def test_what_only_setup_assistant_can_do_is_asked_of_nobody_else(at: Place, way: Any) -> None:
    """No update and no sign-in is asked of a device that does not offer it: it goes on."""
    device = at.corral.device(os_version="17.6.1")
    info = replace(machine_info(device.facts, in_setup_assistant=False), language="en")
    await rule(at.corral, device, **UPDATE)
    await rule(at.corral, device, do="require-platform-sso", **SSO)
    assert (await way(at, device, info, "*/*")).status == 200


@pytest.mark.parametrize("way", [by_setup_assistant, over_the_air])
async def test_where_no_document_is_known_a_person_reads_a_sentence(at: Place, way: Any) -> None:
    device = at.corral.device(os_version="16.7.10")
    await rule(at.corral, device, message="A sentence for a person.", **UNWANTED)
    for accept in ("*/*", PLIST):
        answer = await way(at, device, machine_info(device.facts), accept)
        assert (answer.status, answer.body) == (403, b"A sentence for a person.\n")


# What a device does about it


async def test_a_watch_enrolls_with_the_token_that_its_managed_phone_gets_for_it(at: Place) -> None:
    phone, watch = await at.corral.enrolled(), at.corral.device(Model.WATCH)
    await rule(at.corral, watch, do="admit")
    await rule(at.corral, watch, do="require-pairing")
    factory, url = made(at.corral, watch), automated(at.corral)
    with pytest.raises(InstallationFailed, match="pairing token"):
        await set_up(watch, factory, url)
    with pytest.raises(InstallationFailed, match="not managed"):
        await set_up(watch, factory, url, phone=at.corral.device())
    await set_up(watch, factory, url, phone=phone)
    assert watch.state is State.ENROLLED
    shown = await at.corral.get(f"/devices/{watch.facts.udid}")
    assert shown["device"]["platform"] == "watchOS"
    assert await watch.poll() is not None


async def test_a_phone_that_is_managed_no_more_gets_no_watch_in(at: Place) -> None:
    phone, watch = await at.corral.enrolled(), at.corral.device(Model.WATCH)
    await rule(at.corral, watch, do="admit")
    await rule(at.corral, watch, do="require-pairing")
    held = phone.enrollment
    await phone.leave()
    phone.enrollment = held
    with pytest.raises(InstallationFailed, match="HTTP 400"):
        await set_up(watch, made(at.corral, watch), automated(at.corral), phone=phone)
    assert watch.state is State.NOT_ENROLLED


async def test_a_mac_that_signed_in_here_by_platform_sso_is_judged_by_its_account(at: Place) -> None:
    """The device shows what the sign-in gave it; where that is a token of ours, the policy knows the account."""
    mac, before = at.corral.device(Model.MAC, "15.2"), await at.corral.cursor()
    _, ann = await at.profile(at.corral.device(), ANN)
    _, bob = await at.profile(at.corral.device(), BOB)
    serial = {"serial_number": [mac.facts.serial_number], "assigned": None}
    rules = (
        {"when": serial, "then": {"do": "require-platform-sso", **SSO}},
        {"when": serial | {"account": [BOB]}, "then": {"do": "admit"}},
        {"when": serial, "then": {"do": "decline", "message": "Only Bob."}},
    )

    async def as_ann(url: str) -> str:
        return ann.access

    async def as_bob(url: str) -> str:
        return bob.access

    async def as_nobody(url: str) -> str:
        return "made up, made up, made up"

    async with ruled(at.corral, *rules):
        for refused in (as_ann, as_nobody):
            with pytest.raises(InstallationFailed, match="Only Bob"):
                await set_up(mac, made(at.corral, mac), automated(at.corral), platform_sso=refused)
        await set_up(mac, made(at.corral, mac), automated(at.corral), platform_sso=as_bob)
    admitted = await told(at.corral, before, "enrollment.admitted")
    assert [each["account"] for each in admitted if each["kind"] == "automated"] == [BOB]
