"""A command in one trace from the API call to its result, by whole processes over both back-ends."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from corral.cli.process import free_port
from corral.simulator.device import Device, State
from corral.simulator.facts import Model
from e2e.conftest import Start
from e2e.installation import Installation, Template, installation, make_template, until
from e2e.messages import report
from otlp import Collector, Received, collector
from postgres_server import fresh_database
from receiver import Receiver, receiver


@pytest.fixture(scope="module")
def traces() -> Generator[Collector]:
    with collector() as made:
        yield made
        assert made.problems == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hook(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Receiver]:
    async with receiver(tmp_path_factory.mktemp("hook")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["postgres", "sqlite"])
async def followed(
    request: pytest.FixtureRequest,
    template: Template,
    traces: Collector,
    hook: Receiver,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Installation]:
    folder = tmp_path_factory.mktemp(request.param)
    settings = traces.environment | hook.settings | {"OTEL_SERVICE_NAME": f"corral on {request.param}"}
    if request.param == "sqlite":
        async with installation(template, folder, settings) as made:
            yield made
    else:
        with fresh_database() as url:
            other = await asyncio.to_thread(make_template, folder, url)
            # Devices speak with either process, whichever was asked for the command.
            async with installation(other, folder / "service", settings | {"CORRAL_WORKERS": "2"}) as made:
                yield made


COMMAND = ("command.queue", "command.deliver", "command.result")
"""What each process sends in its own time."""


def new_trace() -> tuple[str, dict[str, str]]:
    """The id of a trace of ours, and the header of a call in it."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return trace_id, {"traceparent": f"00-{trace_id}-{span_id}-01"}


async def send(at: Installation, device: Device, headers: dict[str, str], request_type: str, **keys: object) -> str:
    asked = {"devices": [device.facts.udid], "request_type": request_type, "keys": keys}
    answer = await at.api.post("/commands", json=asked, headers=headers)
    assert answer.is_success, answer.text
    uuid: str = answer.json()["command_uuid"]
    return uuid


async def spans(traces: Collector, trace_id: str, *names: str) -> list[Received]:
    """The spans of a trace, once those of these names are there."""
    await until(lambda: {each.name for each in traces.of(trace_id)} >= set(names))
    return traces.of(trace_id)


async def test_one_trace_leads_from_the_call_to_the_result(followed: Installation, traces: Collector) -> None:
    device = await followed.enrolled()
    trace_id, headers = new_trace()
    before = time.time_ns()
    uuid = await send(followed, device, headers, "ProfileList")
    await spans(traces, trace_id, "POST")
    await device.poll()
    found = await spans(traces, trace_id, "POST /api/v1/commands", *COMMAND)
    # A device that is slow to come is pushed again.
    pushes = [each for each in found if each.name == "POST"]
    asked, queued, delivered, answered = (each for each in found if each not in pushes)
    assert [(each.name, each.kind) for each in (asked, queued, pushes[0], delivered, answered)] == [
        ("POST /api/v1/commands", "server"),
        ("command.queue", "producer"),
        ("POST", "client"),
        ("command.deliver", "consumer"),
        ("command.result", "consumer"),
    ]
    assert queued.began <= pushes[0].began <= delivered.began
    assert asked.parent_id == headers["traceparent"].split("-")[2]
    assert queued.parent_id == asked.span_id
    assert {each.parent_id for each in (*pushes, delivered, answered)} == {queued.span_id}
    assert all(before <= each.began <= each.ended <= time.time_ns() for each in found)
    assert asked.attributes["http.response.status_code"] == 200
    assert queued.attributes == {
        "corral.command.uuid": uuid,
        "corral.command.request_type": "ProfileList",
        "corral.command.channels": 1,
    }
    for pushed in pushes:
        assert pushed.attributes["http.response.status_code"] == 200
        assert str(pushed.attributes["url.full"]).endswith("/3/device/REDACTED")
        assert pushed.attributes["server.address"] == "127.0.0.1"
    for each in (delivered, answered):
        assert (each.attributes["corral.command.uuid"], each.attributes["corral.device.id"]) == (
            uuid,
            device.facts.udid,
        )
    assert answered.attributes["corral.command.status"] == "Acknowledged"
    assert not any(each.failed for each in found)
    assert {str(each.service["service.name"]).partition(" ")[0] for each in found} == {"corral"}
    # The messages of the device are traces of their own, which lead here.
    await until(lambda: len([each for each in traces.spans if (trace_id, answered.span_id) in each.links]) == 1)
    (message,) = [each for each in traces.spans if (trace_id, answered.span_id) in each.links]
    assert (message.name, message.kind, message.parent_id) == ("PUT /mdm", "server", "")
    assert answered.links == [(message.trace_id, message.span_id)]


async def test_a_command_with_a_consequence_is_followed_to_its_end(followed: Installation, traces: Collector) -> None:
    device = await followed.enrolled(Model.MAC, "15.2", quiet=False)
    trace_id, headers = new_trace()
    await send(followed, device, headers, "EraseDevice", PIN="482915")
    await until(lambda: device.state is State.ERASED)
    found = await spans(traces, trace_id, *COMMAND)
    assert [each.name for each in found if each.name.startswith("command.")] == [
        "command.queue",
        "command.deliver",
        "command.result",
    ]
    assert b"482915" not in b"".join(traces.raw)


async def test_what_corral_queues_itself_belongs_to_the_request_that_was_its_reason(
    followed: Installation, traces: Collector
) -> None:
    device = await followed.enrolled()
    trace_id, headers = new_trace()
    ended = await followed.api.post(f"/devices/{device.facts.udid}/end", json={}, headers=headers)
    assert ended.is_success, ended.text
    await spans(traces, trace_id, "POST")
    await device.poll()
    assert device.state is State.LEFT
    found = await spans(traces, trace_id, "POST /api/v1/devices/{device}/end", "command.deliver")
    assert (found[0].name, found[0].parent_id) == (
        "POST /api/v1/devices/{device}/end",
        headers["traceparent"].split("-")[2],
    )
    assert {each.parent_id for each in found if each.name.startswith("command.")} == {found[0].span_id}


async def test_notnow_and_error_are_told_as_such(followed: Installation, traces: Collector) -> None:
    device = await followed.enrolled()
    trace_id, headers = new_trace()
    uuid = await send(followed, device, headers, "ProfileList")
    for status in ("NotNow", "Error"):
        await report(device)
        await report(device, status, CommandUUID=uuid)
    for name in ("command.deliver", "command.result"):
        await until(lambda name=name: sum(each.name == name for each in traces.of(trace_id)) == 2)
    found = [each for each in traces.of(trace_id) if each.name == "command.result"]
    assert [(each.attributes["corral.command.status"], each.failed) for each in found] == [
        ("NotNow", False),
        ("Error", True),
    ]
    assert [each.name for each in traces.of(trace_id)].count("command.deliver") == 2


async def test_who_is_not_followed_leaves_nothing_behind(followed: Installation, traces: Collector) -> None:
    device = await followed.enrolled(quiet=False)
    trace_id, headers = new_trace()
    await send(followed, device, {"traceparent": headers["traceparent"][:-1] + "0"}, "ProfileList")
    await device.settle()
    other, headers = new_trace()
    await send(followed, device, headers, "ProfileList")
    await device.settle()
    await spans(traces, other, "command.result")
    assert traces.of(trace_id) == []


async def test_a_webhook_is_called_in_the_trace_of_what_it_tells(
    followed: Installation, traces: Collector, hook: Receiver
) -> None:
    before = len(hook.events)
    made = await followed.post("/webhooks", url=hook.url, types=["link.created", "connection.connected"])
    trace_id, headers = new_trace()
    assert (await followed.api.post("/links", json={"note": "followed"}, headers=headers)).is_success
    device = await followed.enrolled()
    await until(lambda: device.facts.udid in [each["device_id"] for each in hook.events[before:]])
    told = dict(zip([each["data"].get("note") for each in hook.events], hook.traceparents, strict=True))["followed"]
    assert told is not None
    assert told.split("-")[1] == trace_id
    asked, called = await spans(traces, trace_id, "POST /api/v1/links", "POST")
    assert (called.parent_id, called.span_id) == (asked.span_id, told.split("-")[2])
    assert called.attributes["corral.webhook.id"] == made["webhook"]["id"]
    assert called.attributes["corral.event.type"] == "link.created"
    assert called.attributes["http.response.status_code"] == 204
    # What a device causes is told in the trace of its message.
    assert None not in hook.traceparents[before:]
    await followed.delete(f"/webhooks/{made['webhook']['id']}")


async def test_logs_name_the_trace(followed: Installation, traces: Collector) -> None:
    trace_id, headers = new_trace()
    await followed.api.get("/status", headers=headers | {"x-request-id": "asked-for-this"})
    (found,) = await spans(traces, trace_id, "GET /api/v1/status")
    assert found.attributes["corral.request.id"] == "asked-for-this"
    said = [json.loads(each) for each in followed.log().splitlines() if "asked-for-this" in each]
    assert [each["event"] for each in said] == ["http.answered"]


async def test_no_secret_is_in_a_trace(followed: Installation, traces: Collector) -> None:
    link = await followed.link()
    device = followed.device(quiet=False)
    await device.enroll(link)
    await device.settle()
    await asyncio.sleep(0.3)
    raw = b"".join(traces.raw)
    assert b"/enroll/{token}" in raw
    for secret in (link.rpartition("/")[2], followed.template.token):
        assert secret.encode() not in raw


async def test_a_collector_that_is_away_holds_nobody_up(start: Start) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    at = await start({"OTEL_EXPORTER_OTLP_ENDPOINT": nowhere, "OTEL_BSP_SCHEDULE_DELAY": "50"})
    device = await at.enrolled()
    uuid = await at.send(device, "ProfileList")
    await device.poll()
    assert (await at.outcome(uuid))["delivery"]["state"] == "acknowledged"
    began = time.monotonic()
    await at.service.stop()
    assert time.monotonic() - began < 10
    said = [json.loads(each) for each in at.log().splitlines()]
    assert {each["event"] for each in said} >= {"traces.sent", "corral.stopped"}
