"""How a device synchronizes its declarations (Apple: "Declarative management"): it asks, and applies nothing."""

import json
from typing import cast

from corral.simulator.enrollment import Channel, Enrollment
from corral.simulator.speaking import Voice
from corral.simulator.transport import Unreachable

_KINDS = {"Activations": "activation", "Assets": "asset", "Configurations": "configuration", "Management": "management"}


class SyncFailed(Exception):
    """The service did not answer as it must; the message says to what."""


async def synchronize(voice: Voice, enrollment: Enrollment, channel: Channel) -> bool:
    """Whether the set of declarations was another than the one that the device had; raises SyncFailed."""
    tokens = await _ask(voice, enrollment, channel, "tokens")
    token = _text(_dictionary(tokens.get("SyncTokens")), "DeclarationsToken")
    if token == channel.declarations_token:
        return False
    items = await _ask(voice, enrollment, channel, "declaration-items")
    groups = _dictionary(items.get("Declarations"))
    found: dict[str, str] = {}
    for group, kind in _KINDS.items():
        if not isinstance(groups.get(group), list):
            raise SyncFailed(f"declaration-items without the array {group}")
        for item in cast(list[object], groups[group]):
            identifier, server_token = (_text(_dictionary(item), key) for key in ("Identifier", "ServerToken"))
            found[identifier] = server_token
            if channel.declarations.get(identifier) != server_token:
                declaration = await _ask(voice, enrollment, channel, f"declaration/{kind}/{identifier}")
                if declaration.get("ServerToken") != server_token:
                    raise SyncFailed(f"declaration {identifier} has another ServerToken than the manifest says")
    channel.declarations = found
    channel.declarations_token = token
    await _report(voice, enrollment, channel)
    return True


async def _ask(voice: Voice, enrollment: Enrollment, channel: Channel, endpoint: str) -> dict[str, object]:
    body = await _send(
        voice, enrollment, channel.message(MessageType="DeclarativeManagement", Endpoint=endpoint), endpoint
    )
    try:
        return _dictionary(json.loads(body))
    except (ValueError, RecursionError):
        raise SyncFailed(f"{endpoint} answers no JSON") from None


async def _report(voice: Voice, enrollment: Enrollment, channel: Channel) -> None:
    capabilities = {"supported-versions": ["1.0.0"]}
    items = {"management": {"client-capabilities": capabilities}}
    status: dict[str, object] = {"StatusItems": items, "Errors": [], "FullReport": True}
    message = channel.message(MessageType="DeclarativeManagement", Endpoint="status", Data=json.dumps(status).encode())
    await _send(voice, enrollment, message, "status")


async def _send(voice: Voice, enrollment: Enrollment, message: bytes, endpoint: str) -> bytes:
    try:
        response = await voice.check_in(enrollment, message)
    except Unreachable as error:
        raise SyncFailed(f"{endpoint}: {error}") from None
    if response.status != 200:
        raise SyncFailed(f"{endpoint} answers HTTP {response.status}")
    return response.body


def _dictionary(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SyncFailed("an answer that holds no dictionary where one must be")
    return cast(dict[str, object], value)


def _text(keys: dict[str, object], name: str) -> str:
    value = keys.get(name)
    if not isinstance(value, str) or not value:
        raise SyncFailed(f"an answer without {name}")
    return value
