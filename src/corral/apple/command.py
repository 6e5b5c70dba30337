"""Commands as the bytes that a device gets (Apple: "Commands and Queries", Request)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.plist import Limits, PlistError, PlistValue, dump, is_binary, parse_dict

UNAMBIGUOUS = Limits(unique_keys=True)


class CommandError(ValueError):
    """A command that cannot be sent; the one line says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Command:
    """`body` is sent exactly as it is; it can hold secrets (a PIN, a profile) and is therefore not shown."""

    uuid: str
    request_type: str
    body: bytes = field(repr=False)


def build(uuid: str, request_type: str, keys: Mapping[str, PlistValue] | None = None) -> Command:
    """The command with these keys beside its RequestType, in the order given; `bytes` become <data>."""
    keys = keys or {}
    if "RequestType" in keys:
        raise CommandError("keys of a command must not name the RequestType again")
    message: dict[str, PlistValue] = {
        "CommandUUID": uuid,
        "Command": {"RequestType": request_type, **keys},
    }
    try:
        fields.text(message, "CommandUUID")
        fields.text({"RequestType": request_type}, "RequestType")
        return Command(uuid, request_type, dump(message))
    except (FieldError, PlistError) as error:
        raise CommandError(f"command: {error}") from None


def read_raw(data: bytes, limits: Limits = UNAMBIGUOUS) -> Command:
    """A command that somebody else wrote, kept byte for byte; it must say its CommandUUID and RequestType.

    Once each: one device might take another of them than we do.
    """
    if is_binary(data):
        raise CommandError("command: binary property list; send the XML form, which every device reads")
    try:
        message = parse_dict(data, limits)
        command = message.get("Command")
        if not isinstance(command, Mapping):
            raise FieldError("Command must be a dictionary")
        return Command(fields.text(message, "CommandUUID"), fields.text(command, "RequestType"), data)
    except (FieldError, PlistError) as error:
        raise CommandError(f"command: {error}") from None


def command_keys(command: Command) -> dict[str, PlistValue]:
    """The keys beside RequestType, read back from the body, as `catalog.check` wants them."""
    inner = parse_dict(command.body).get("Command")
    if not isinstance(inner, Mapping):
        return {}
    return {key: value for key, value in inner.items() if key != "RequestType"}
