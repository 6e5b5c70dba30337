"""What Apple's device enrollment service answers, as values. Keys that are not known are no error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import msgspec

_T = TypeVar("_T")


class RecordError(ValueError):
    """An answer is not what Apple documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """GET /account: which server of which organization a token stands for."""

    server_uuid: str = ""
    server_name: str = ""
    facilitator_id: str = ""
    admin_id: str = ""
    org_name: str = ""
    org_email: str = ""
    org_phone: str = ""
    org_address: str = ""
    org_id: str = ""
    org_id_hash: str = ""
    org_type: str = ""
    org_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepDevice:
    """A device as Apple lists it. Times are Apple's own text (RFC 3339); `document` is all of it, as JSON.

    `profile_status` is empty, assigned, pushed or removed. `op_type` (added, modified, deleted) and `op_date` come
    from a sync only.
    """

    serial_number: str
    model: str = ""
    description: str = ""
    color: str = ""
    asset_tag: str = ""
    device_family: str = ""
    os: str = ""
    profile_status: str = "empty"
    profile_uuid: str = ""
    profile_assign_time: str = ""
    profile_push_time: str = ""
    device_assigned_by: str = ""
    device_assigned_date: str = ""
    op_type: str = ""
    op_date: str = ""
    mdm_migration_deadline: str = ""
    response_status: str = ""
    document: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DevicePage:
    devices: tuple[DepDevice, ...]
    cursor: str
    more_to_follow: bool
    fetched_until: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How a change went for each device: SUCCESS, NOT_ACCESSIBLE, FAILED or THROTTLED."""

    devices: Mapping[str, str]
    profile_uuid: str = ""
    retry_after_seconds: int | None = None


def read_json(text: str) -> object:
    """The document of an answer, as RFC 8259 has it: no lone surrogates, which nothing could store, and no NaN."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise RecordError("it is no JSON") from None


def account(document: object) -> Account:
    return _read(_object(document), Account)


def device(document: object) -> DepDevice:
    given = _object(document)
    whole = msgspec.json.encode(given).decode()
    return _read({**given, "document": whole}, DepDevice)


def device_page(document: object) -> DevicePage:
    given = _object(document)
    devices: object = given.get("devices") or []
    if not isinstance(devices, list):
        raise RecordError("`devices` is not a list")
    return DevicePage(
        devices=tuple(device(each) for each in cast(list[object], devices)),
        cursor=str(given.get("cursor") or ""),
        more_to_follow=given.get("more_to_follow") is True,
        fetched_until=str(given.get("fetched_until") or ""),
    )


def detailed(document: object) -> tuple[DepDevice, ...]:
    """Of POST /devices, which answers an object by serial number."""
    devices = _object(_object(document).get("devices") or {})
    return tuple(device({"serial_number": serial, **_object(each)}) for serial, each in devices.items())


def outcomes(document: object) -> Outcomes:
    given = _object(document)
    wait = given.get("retry_after_seconds")
    return Outcomes(
        devices={serial: str(word) for serial, word in _object(given.get("devices") or {}).items()},
        profile_uuid=str(given.get("profile_uuid") or ""),
        retry_after_seconds=wait if isinstance(wait, int) and not isinstance(wait, bool) else None,
    )


def _object(document: object) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise RecordError("an object is expected where something else is")
    return cast(dict[str, Any], document)


def _read(given: Mapping[str, Any], kind: type[_T]) -> _T:
    try:
        return msgspec.convert({name: value for name, value in given.items() if value is not None}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise RecordError(str(error)) from None
