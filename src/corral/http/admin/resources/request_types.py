"""What commands there are: the facts of Apple's schema, for people and for programs that build commands."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from corral.apple import catalog
from corral.apple.catalog import Availability, CommandSpec, KeySpec
from corral.http.admin.endpoint import Call, View
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
    user_enrollment: str


class KeyView(View):
    """A key of a command. `keys` are those of a dictionary, or the kinds of items that an array may have."""

    name: str
    type: str
    required: bool
    default: Any
    values: tuple[Any, ...]
    minimum: float | None
    maximum: float | None
    keys: tuple["KeyView", ...]


class RequestTypeView(View):
    request_type: str
    access_rights: int
    required: tuple[str, ...]
    platforms: Mapping[str, str | None]


class RequestTypeList(View):
    """`platforms`: since which version each knows the command."""

    request_types: tuple[RequestTypeView, ...]


class RequestTypeDetail(View):
    request_type: str
    access_rights: int
    platforms: Mapping[str, AvailabilityView]
    keys: tuple[KeyView, ...]


async def list_request_types(call: Call) -> RequestTypeList:
    del call
    return RequestTypeList(request_types=tuple(map(_summary, catalog.specs())))


async def show_request_type(call: Call, request_type: str) -> RequestTypeDetail:
    del call
    spec = catalog.spec(request_type)
    if spec is None:
        raise NotFound(f"Apple's schema has no command {request_type}; {_hint(request_type)}.")
    return RequestTypeDetail(
        request_type=spec.request_type,
        access_rights=spec.access_rights,
        platforms={str(name): _availability(each) for name, each in spec.platforms.items()},
        keys=_keys(spec.keys),
    )


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


def _keys(keys: Iterable[KeySpec]) -> tuple[KeyView, ...]:
    return tuple(
        KeyView(
            name=each.name,
            type=each.type,
            required=each.required,
            default=each.default,
            values=each.rangelist,
            minimum=each.minimum,
            maximum=each.maximum,
            keys=_keys(each.keys),
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
        user_enrollment=found.user_enrollment,
    )
