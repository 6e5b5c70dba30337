"""What commands there are: the facts of Apple's schema, for people and for programs that build commands."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from msgspec import Meta

from corral.apple import catalog
from corral.apple.catalog import Availability, CommandSpec, KeySpec, Target
from corral.apple.platform import Platform
from corral.http.admin.endpoint import Call, Query, View
from corral.http.admin.resources.targets import SentView, sent_view
from corral.service.commands.verdicts import Sent
from corral.service.errors import NotFound


class AvailabilityView(View):
    """On one platform: since which version, until which, on which channel, under which conditions."""

    introduced: str | None
    deprecated: str | None
    removed: str | None
    device_channel: bool
    user_channel: bool
    supervised: bool
    requires_dep: bool
    access_rights: int
    user_enrollment: str
    shared_ipad: str
    shared_ipad_device_channel: bool
    shared_ipad_user_channel: bool


class KeyView(View):
    """A key of a command. `keys` are those of a dictionary, or the kinds of items that an array may have; `platforms`
    those where it differs from what contains it, null where it does not exist. `passed_over`: why the device that was
    named would pass over it, empty if it would not; null if none was named."""

    name: str
    type: str
    required: bool
    default: Any
    values: tuple[Any, ...]
    minimum: float | None
    maximum: float | None
    format: str | None
    platforms: Mapping[str, AvailabilityView | None]
    passed_over: str | None
    keys: tuple["KeyView", ...]


class RequestTypeView(View):
    request_type: str
    access_rights: int
    required: tuple[str, ...]
    platforms: Mapping[str, str | None]


class RequestTypeList(View):
    """`platforms`: since which version each knows the command."""

    request_types: tuple[RequestTypeView, ...]


class TargetView(View):
    """What is known of a device that commands depend on; null: not known, which speaks against nothing."""

    platform: Platform | None
    os_version: str | None
    channel: str
    enrollment: str | None
    supervised: bool | None
    automated: bool | None
    user_approved: bool | None
    shared_ipad: bool | None
    access_rights: int | None


class JudgedView(View):
    """Whether this device would take the command, with the keys that are required, and why not."""

    target: TargetView
    verdict: SentView


class RequestTypeDetail(View):
    """`schema` is the JSON Schema of the keys that `POST /commands` takes; `answer` are the keys of a device's result;
    `judged` is there if a device was named."""

    request_type: str
    access_rights: int
    platforms: Mapping[str, AvailabilityView]
    keys: tuple[KeyView, ...]
    answer: tuple[KeyView, ...]
    schema: Mapping[str, Any]
    judged: JudgedView | None


class RequestTypeQuery(Query):
    """`search` is part of a name, of a command or of one of its keys; `device`: only what this device would take."""

    search: Annotated[str, Meta(max_length=255)] | None = None
    platform: Platform | None = None
    device: Annotated[str, Meta(max_length=255)] | None = None
    user: Annotated[str, Meta(max_length=255)] = ""


class ExplainQuery(Query):
    device: Annotated[str, Meta(max_length=255)] | None = None
    user: Annotated[str, Meta(max_length=255)] = ""


async def list_request_types(call: Call, query: RequestTypeQuery) -> RequestTypeList:
    found = [each for each in catalog.specs() if _fits(each, query)]
    if query.device is not None:
        target, _ = await call.services.commanding.judge(query.device, "DeviceInformation", user_id=query.user)
        found = [
            each
            for each in found
            if not any(
                finding.severity == "error" and finding.where == each.request_type
                for finding in catalog.check(each.request_type, {}, target)
            )
        ]
    return RequestTypeList(request_types=tuple(map(_summary, found)))


async def show_request_type(call: Call, request_type: str, query: ExplainQuery) -> RequestTypeDetail:
    spec = catalog.spec(request_type)
    if spec is None:
        raise NotFound(f"Apple's schema has no command {request_type}; {_hint(request_type)}.")
    target: Target | None = None
    judged: JudgedView | None = None
    if query.device is not None:
        target, sent = await call.services.commanding.judge(query.device, request_type, user_id=query.user)
        judged = _judged(target, sent)
    return RequestTypeDetail(
        request_type=spec.request_type,
        access_rights=spec.access_rights,
        platforms={str(name): _availability(each) for name, each in spec.platforms.items()},
        keys=_keys(spec.keys, target),
        answer=_keys(catalog.answer_keys(request_type), target),
        schema=catalog.json_schema(spec.keys),
        judged=judged,
    )


def _judged(target: Target, sent: Sent) -> JudgedView:
    return JudgedView(
        target=TargetView(
            platform=target.platform,
            os_version=target.os_version,
            channel=target.channel,
            enrollment=target.kind,
            supervised=target.supervised,
            automated=target.automated,
            user_approved=target.user_approved,
            shared_ipad=target.shared_ipad,
            access_rights=target.access_rights,
        ),
        verdict=sent_view(sent),
    )


def _fits(spec: CommandSpec, query: RequestTypeQuery) -> bool:
    if query.platform is not None and query.platform not in spec.platforms:
        return False
    wanted = (query.search or "").lower()
    return wanted in spec.request_type.lower() or any(wanted in each.name.lower() for each in spec.keys)


def _hint(request_type: str) -> str:
    wanted = request_type.lower()
    names = {each.request_type.lower(): each.request_type for each in catalog.specs()}
    like = [name for low, name in names.items() if wanted in low][:4]
    like = like or [names[low] for low in get_close_matches(wanted, names, 3)]
    return f"did you mean {' or '.join(like)}" if like else "`corral command types` lists them"


def _summary(spec: CommandSpec) -> RequestTypeView:
    return RequestTypeView(
        request_type=spec.request_type,
        access_rights=spec.access_rights,
        required=tuple(each.name for each in spec.keys if each.required),
        platforms={str(name): each.introduced for name, each in spec.platforms.items()},
    )


def _keys(keys: Iterable[KeySpec], target: Target | None) -> tuple[KeyView, ...]:
    return tuple(
        KeyView(
            name=each.name,
            type=each.type,
            required=each.required,
            default=each.default,
            values=each.rangelist,
            minimum=each.minimum,
            maximum=each.maximum,
            format=each.format,
            platforms={
                str(name): None if found is None else _availability(found) for name, found in each.platforms.items()
            },
            passed_over=None
            if target is None
            else "; ".join(finding.what for finding in catalog.check_placement(each, each.name, target)),
            keys=_keys(each.keys, target),
        )
        for each in keys
    )


def _availability(found: Availability) -> AvailabilityView:
    return AvailabilityView(
        introduced=found.introduced,
        deprecated=found.deprecated,
        removed=found.removed,
        device_channel=found.device_channel,
        user_channel=found.user_channel,
        supervised=found.supervised,
        requires_dep=found.requires_dep,
        access_rights=found.access_rights,
        user_enrollment=found.user_enrollment,
        shared_ipad=found.shared_ipad,
        shared_ipad_device_channel=found.shared_ipad_device_channel,
        shared_ipad_user_channel=found.shared_ipad_user_channel,
    )
