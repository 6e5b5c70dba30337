"""Check-in messages (Apple: "Check-in"), as devices send them to CheckInURL, and the replies that have a
body."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TypeAlias

from corral.apple import fields
from corral.apple.fields import FieldError
from corral.apple.identifiers import IdentifierError, Speaker, identify
from corral.apple.plist import LIMITS, Limits, PlistError, PlistValue, parse_dict
from corral.values import frozen

_TOKEN_BYTES = 256
_ESCROW_BYTES = 64 * 1024
_ENDPOINT_CHARACTERS = 1024
_AUTH_TOKEN_CHARACTERS = 1024

_Keys: TypeAlias = Mapping[str, PlistValue]


class CheckinError(ValueError):
    """A body that is no check-in message; the one line says which key is wrong."""


@frozen
class Authenticate:
    """A device begins to enroll (or to enroll again). Which facts it tells depends on its OS and rights."""

    speaker: Speaker
    topic: str
    os_version: str | None = None
    build_version: str | None = None
    product_name: str | None = None
    serial_number: str | None = None
    imei: str | None = None
    meid: str | None = None
    device_name: str | None = None
    model: str | None = None
    model_name: str | None = None


@frozen
class TokenUpdate:
    """Where a channel can be pushed to. An `unlock_token` of None says nothing about the one already kept.

    `auth_token` is what a network user of a Mac was given for a password (see UserAuthenticate).
    """

    speaker: Speaker
    topic: str
    push_magic: str = field(repr=False)
    token: bytes = field(repr=False)
    unlock_token: bytes | None = field(default=None, repr=False)
    awaiting_configuration: bool = False
    not_on_console: bool = False
    auth_token: str | None = field(default=None, repr=False)


@frozen
class CheckOut:
    """A device says goodbye, once. Nothing but its identity is required: the message does not come again."""

    speaker: Speaker
    topic: str | None = None


@frozen
class UserAuthenticate:
    """A network user logs in on a Mac; the second such message carries the response to the digest
    challenge."""

    speaker: Speaker
    digest_response: str | None = field(default=None, repr=False)


@frozen
class SetBootstrapToken:
    """A `bootstrap_token` of None asks to delete the one that is kept."""

    speaker: Speaker
    bootstrap_token: bytes | None = field(default=None, repr=False)
    awaiting_configuration: bool = False


@frozen
class GetBootstrapToken:
    speaker: Speaker
    awaiting_configuration: bool = False


@frozen
class GetToken:
    """Asks for a token of a service: `com.apple.maid`, or `com.apple.watch.pairing` with the watch's
    particulars."""

    speaker: Speaker
    service_type: str
    security_token: str | None = field(default=None, repr=False)
    phone_udid: str | None = None
    watch_udid: str | None = None


@frozen
class DeclarativeManagement:
    """`endpoint` is tokens, declaration-items, declaration/KIND/IDENTIFIER, or status; only status has
    `data`, JSON."""

    speaker: Speaker
    endpoint: str
    data: bytes | None = field(default=None, repr=False)


@frozen
class ReturnToService:
    speaker: Speaker


Checkin: TypeAlias = (
    Authenticate
    | TokenUpdate
    | CheckOut
    | UserAuthenticate
    | SetBootstrapToken
    | GetBootstrapToken
    | GetToken
    | DeclarativeManagement
    | ReturnToService
)


def read_checkin(data: bytes, limits: Limits = LIMITS) -> Checkin:
    """Keys that are not known are ignored; optional ones of another type are taken as absent."""
    try:
        message = parse_dict(data, limits)
        message_type = fields.text(message, "MessageType")
        read = _READERS.get(message_type)
        if read is None:
            raise CheckinError(f"MessageType {message_type!r} is not known: known are {', '.join(_READERS)}")
        return read(identify(message), message)
    except (PlistError, IdentifierError, FieldError) as error:
        raise CheckinError(f"check-in: {error}") from None


def _authenticate(speaker: Speaker, keys: _Keys) -> Authenticate:
    return Authenticate(
        speaker,
        topic=fields.text(keys, "Topic"),
        os_version=fields.optional_text(keys, "OSVersion"),
        build_version=fields.optional_text(keys, "BuildVersion"),
        product_name=fields.optional_text(keys, "ProductName"),
        serial_number=fields.optional_text(keys, "SerialNumber"),
        imei=fields.optional_text(keys, "IMEI"),
        meid=fields.optional_text(keys, "MEID"),
        device_name=fields.optional_text(keys, "DeviceName"),
        model=fields.optional_text(keys, "Model"),
        model_name=fields.optional_text(keys, "ModelName"),
    )


def _token_update(speaker: Speaker, keys: _Keys) -> TokenUpdate:
    return TokenUpdate(
        speaker,
        topic=fields.text(keys, "Topic"),
        push_magic=fields.text(keys, "PushMagic"),
        token=fields.data(keys, "Token", _TOKEN_BYTES),
        unlock_token=fields.optional_data(keys, "UnlockToken", _ESCROW_BYTES),
        awaiting_configuration=fields.flag(keys, "AwaitingConfiguration"),
        not_on_console=fields.flag(keys, "NotOnConsole"),
        auth_token=fields.optional_text(keys, "AuthToken", _AUTH_TOKEN_CHARACTERS) or None,
    )


def _check_out(speaker: Speaker, keys: _Keys) -> CheckOut:
    return CheckOut(speaker, fields.optional_text(keys, "Topic"))


def _user_authenticate(speaker: Speaker, keys: _Keys) -> UserAuthenticate:
    if not speaker.user_id:
        raise FieldError("UserAuthenticate needs a UserID")
    return UserAuthenticate(speaker, fields.optional_text(keys, "DigestResponse", 4096))


def _set_bootstrap_token(speaker: Speaker, keys: _Keys) -> SetBootstrapToken:
    return SetBootstrapToken(
        speaker,
        fields.optional_data(keys, "BootstrapToken", _ESCROW_BYTES),
        fields.flag(keys, "AwaitingConfiguration"),
    )


def _get_bootstrap_token(speaker: Speaker, keys: _Keys) -> GetBootstrapToken:
    return GetBootstrapToken(speaker, fields.flag(keys, "AwaitingConfiguration"))


def _get_token(speaker: Speaker, keys: _Keys) -> GetToken:
    found = keys.get("TokenParameters")
    parameters: _Keys = found if isinstance(found, Mapping) else {}
    return GetToken(
        speaker,
        service_type=fields.text(keys, "TokenServiceType"),
        security_token=fields.optional_text(parameters, "SecurityToken", 4096),
        phone_udid=fields.optional_text(parameters, "PhoneUDID"),
        watch_udid=fields.optional_text(parameters, "WatchUDID"),
    )


def _declarative_management(speaker: Speaker, keys: _Keys) -> DeclarativeManagement:
    return DeclarativeManagement(
        speaker,
        endpoint=fields.text(keys, "Endpoint", _ENDPOINT_CHARACTERS),
        data=fields.optional_data(keys, "Data", LIMITS.bytes),
    )


def _return_to_service(speaker: Speaker, _keys: _Keys) -> ReturnToService:
    return ReturnToService(speaker)


_READERS: dict[str, Callable[[Speaker, _Keys], Checkin]] = {
    "Authenticate": _authenticate,
    "TokenUpdate": _token_update,
    "CheckOut": _check_out,
    "UserAuthenticate": _user_authenticate,
    "SetBootstrapToken": _set_bootstrap_token,
    "GetBootstrapToken": _get_bootstrap_token,
    "GetToken": _get_token,
    "DeclarativeManagement": _declarative_management,
    "ReturnToService": _return_to_service,
}
