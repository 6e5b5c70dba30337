"""Commands: sent to devices, listed with their deliveries, looked at with their results, cancelled."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from corral.apple import catalog, report
from corral.apple.command import CommandError, command_keys, read_raw
from corral.apple.plist import PlistError, parse_dict, repair
from corral.apple.report import ReportError
from corral.http.admin.endpoint import Body, Call, File, Number, Query, View
from corral.http.admin.problems import ProblemError
from corral.http.admin.resources import devices, targets
from corral.http.admin.resources.plist_json import from_json, to_json
from corral.http.admin.times import Seconds, Time, due, shown
from corral.lifecycle.state import FOREVER, Consequence, DeliveryState, channel_id
from corral.service.commands.commanding import Schedule
from corral.service.errors import NotFound
from corral.store.queue import CommandRecord, StoredResult

MAX_BODY = 24 * 1024 * 1024
"""A property list of 16 MiB, in base64."""

_ENVELOPE = frozenset({"Status", "UDID", "EnrollmentID", "EnrollmentUserID", "UserID", "UserShortName", "UserLongName"})


class NewCommand(Body):
    """Either `request_type` with `keys`, or `plist`: a whole command as XML, in base64, sent byte for byte.

    In `keys`, data is `{"$data": base64}` and a date `{"$date": time}`, or plain text where the catalog knows the type.
    `confirm` is how many devices these are: a dangerous command to more than the setting `confirm_above` needs it.
    `user` is a user's id, for their channel. `dry_run`: the verdicts, and nothing queued.
    """

    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    query: targets.TargetQuery | None = None
    request_type: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    keys: dict[str, Any] = field(default_factory=dict[str, Any])
    plist: bytes | None = None
    user: Annotated[str, Meta(max_length=255)] = ""
    priority: Annotated[int, Meta(ge=-999, le=999)] = 0
    not_before: Time | None = None
    not_before_in: Seconds | None = None
    expires_at: Time | None = None
    expires_in: Seconds | None = None
    force: bool = False
    dry_run: bool = False
    confirm: Number | None = None


class SentCommand(View):
    command_uuid: str
    queued: int
    devices: tuple[targets.SentView, ...]


class CommandView(View):
    """A command in the queue of one channel, and what became of it."""

    command_uuid: str
    request_type: str
    device_id: str
    connection_id: str
    user_id: str
    state: DeliveryState
    consequence: Consequence
    sequence: int
    priority: int
    created_at: datetime | None
    created_by: str
    not_before: datetime | None
    expires_at: datetime | None
    delivered_at: datetime | None
    attempts: int
    not_now_count: int
    finished_at: datetime | None
    result_status: str | None
    result_unreadable: bool


class CommandQuery(Query):
    device: str | None = None
    state: DeliveryState | None = None
    before: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class CommandPage(View):
    """Newest first; `next` is the `before` of the following page."""

    commands: tuple[CommandView, ...]
    next: int | None


class ErrorView(View):
    code: int
    domain: str
    description: str


class ResultView(View):
    """What a device answered. `result` is its property list, empty where it could not be read."""

    status: str
    received_at: datetime | None
    unreadable: bool
    errors: tuple[ErrorView, ...]
    result: Mapping[str, Any]


class DeliveryView(View):
    delivery: CommandView
    result: ResultView | None


class CommandDetail(View):
    """`keys` are those that were sent; secrets and data among them are not shown."""

    command_uuid: str
    request_type: str
    keys: Mapping[str, Any]
    deliveries: tuple[DeliveryView, ...]
    next: int | None


class DetailQuery(Query):
    device: str | None = None
    before: Number | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class ResultQuery(Query):
    device: str
    user: str = ""


class Reveal(Body):
    """The reason is kept with the event that tells of it. `user` is a user's id, for their channel."""

    device: Annotated[str, Meta(min_length=1, max_length=255)]
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    user: Annotated[str, Meta(max_length=255)] = ""


class RevealedCommand(View):
    """Secrets and all: `keys` as they were sent, `result` as it was answered, `answer` its bytes in base64."""

    command_uuid: str
    request_type: str
    device: str
    keys: Mapping[str, Any]
    result: ResultView | None
    answer: bytes | None


class CancelQuery(Query):
    device: str | None = None


class Cancelled(View):
    cancelled: int


async def send_command(call: Call, body: NewCommand) -> SentCommand:
    not_before = due("not_before", body.not_before, body.not_before_in, call.now)
    expires = due("expires", body.expires_at, body.expires_in, call.now)
    sent = await call.services.commanding.send(
        await targets.names(call, body.devices, body.query),
        call.caller,
        request_type=body.request_type,
        keys={name: from_json(value) for name, value in body.keys.items()},
        raw=body.plist,
        user_id=body.user,
        schedule=Schedule(
            priority=body.priority,
            not_before=not_before or 0,
            expires_at=FOREVER if expires is None else expires,
        ),
        force=body.force,
        only_ask=body.dry_run,
        confirm=body.confirm,
    )
    return SentCommand(
        command_uuid=sent[0].command_uuid,
        queued=sum(each.queued for each in sent),
        devices=await targets.sent_views(sent),
    )


async def list_commands(call: Call, query: CommandQuery) -> CommandPage:
    device_id = (await devices.find(call, query.device)).device.id if query.device else None
    found = await call.services.queue.list(
        device_id=device_id, command_uuid=None, state=query.state, before=query.before, limit=query.limit + 1
    )
    page = found[: query.limit]
    following = page[-1].delivery.sequence if len(found) > len(page) else None
    return CommandPage(commands=tuple(map(_view, page)), next=following)


async def show_command(call: Call, command: str, query: DetailQuery) -> CommandDetail:
    body = await _body(call, command)
    device_id = (await devices.find(call, query.device)).device.id if query.device else None
    found = await call.services.queue.list(
        device_id=device_id, command_uuid=command, state=None, before=query.before, limit=query.limit + 1
    )
    page = found[: query.limit]
    results = [await call.services.queue.results(command, each.delivery.channel_id) for each in page]
    keys, request_type = _keys(body)
    return CommandDetail(
        command_uuid=command,
        request_type=request_type,
        keys=keys,
        deliveries=tuple(
            [
                DeliveryView(delivery=_view(record), result=await _read(answers[-1]) if answers else None)
                for record, answers in zip(page, results, strict=True)
            ]
        ),
        next=page[-1].delivery.sequence if len(found) > len(page) else None,
    )


async def show_result(call: Call, command: str, query: ResultQuery) -> Annotated[File, "application/xml"]:
    """The answer of one device as it came, byte for byte; not of a command that is answered with secrets."""
    _, request_type = _keys(await _body(call, command))
    if catalog.answers_with_secrets(request_type):
        raise ProblemError(409, f"Answers to {request_type} hold secrets: reveal this one, for a reason.")
    detail = await devices.find(call, query.device)
    for life in detail.connections:
        found = await call.services.queue.results(command, channel_id(life.id, query.user))
        if found:
            return File(found[-1].body)
    raise NotFound(f"Device {detail.device.id} has not answered command {command}.")


async def reveal_command(call: Call, command: str, body: Reveal) -> RevealedCommand:
    """What was sent to one device and what it answered, secrets and all."""
    found = await call.services.revealing.reveal(command, body.device, body.user, body.reason, call.by)
    keys, request_type = _keys(found.body, show_secrets=True)
    stored = found.result
    return RevealedCommand(
        command_uuid=command,
        request_type=request_type,
        device=found.device_id,
        keys=keys,
        result=await _read(stored, show_secrets=True) if stored is not None else None,
        answer=stored.body if stored is not None else None,
    )


async def cancel_command(call: Call, command: str, query: CancelQuery) -> Cancelled:
    return Cancelled(cancelled=await call.services.commanding.cancel(command, query.device, call.by))


async def clear_commands(call: Call, device: str) -> Cancelled:
    return Cancelled(cancelled=await call.services.commanding.clear(device, call.by))


async def _body(call: Call, command: str) -> bytes:
    body = await call.services.queue.command_body(command)
    if body is None:
        raise NotFound(f"There is no command {command}.")
    return body


def _keys(body: bytes, *, show_secrets: bool = False) -> tuple[Mapping[str, Any], str]:
    try:
        command = read_raw(body)
        sent = command_keys(command)
    except (CommandError, PlistError):
        return {}, ""
    shown_keys = {
        key: to_json(value, name=key, show_data=show_secrets, show_secrets=show_secrets) for key, value in sent.items()
    }
    return shown_keys, command.request_type


async def _read(stored: StoredResult, *, show_secrets: bool = False) -> ResultView:
    return await asyncio.to_thread(_result, stored, show_secrets)


def _result(stored: StoredResult, show_secrets: bool) -> ResultView:
    body = repair(stored.body) if stored.unreadable else stored.body
    try:
        keys = parse_dict(body)
        errors = report.error_chain(body)
    except (PlistError, ReportError):
        keys, errors = {}, ()
    left_out = _ENVELOPE | {"CommandUUID", "ErrorChain"}
    return ResultView(
        status=stored.status,
        received_at=shown(stored.received_at),
        unreadable=stored.unreadable,
        errors=tuple(
            ErrorView(code=each.code, domain=each.domain, description=each.english or each.description)
            for each in errors
        ),
        result={
            key: to_json(value, name=key, show_secrets=show_secrets)
            for key, value in keys.items()
            if key not in left_out
        },
    )


def _view(record: CommandRecord) -> CommandView:
    delivery = record.delivery
    return CommandView(
        command_uuid=delivery.command_uuid,
        request_type=delivery.request_type,
        device_id=record.device_id,
        connection_id=record.connection_id,
        user_id=delivery.channel_id.partition("/")[2],
        state=delivery.state,
        consequence=delivery.consequence,
        sequence=delivery.sequence,
        priority=delivery.priority,
        created_at=shown(record.created_at),
        created_by=record.created_by,
        not_before=shown(delivery.not_before),
        expires_at=shown(delivery.expires_at),
        delivered_at=shown(record.delivered_at),
        attempts=record.attempts,
        not_now_count=delivery.not_now_count,
        finished_at=shown(record.finished_at),
        result_status=record.result_status,
        result_unreadable=record.result_unreadable,
    )
