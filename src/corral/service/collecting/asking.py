"""The command that asks a device for a report, and whether that device takes it."""

import uuid
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Final

from corral.apple import catalog, command
from corral.apple.catalog import Target
from corral.lifecycle.collecting import PRIORITY
from corral.lifecycle.state import Instant
from corral.service.commands.targeting import asks_supervision
from corral.store.queue import QueuedCommand

ANY_PRIORITY: Final = 1_000
"""Above all that people may give."""

_NOT_ASKED: Final = frozenset({"DevicePropertiesAttestation", "EACSPreflight", "PushToken"})
"""Queries that cost the device something or are no inventory: Apple attests a device once in seven days."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@lru_cache(4096)
def keys_of(report: str, target: Target) -> Mapping[str, Any]:
    """Beside the RequestType: of DeviceInformation all that a device like this can be asked."""
    if report != "DeviceInformation":
        return _NOTHING
    return MappingProxyType({"Queries": [each for each in catalog.queries(target) if each not in _NOT_ASKED]})


@lru_cache(16_384)
def takes(report: str, target: Target) -> bool:
    """Whether a device like this one answers it, as far as that is known."""
    spec = catalog.spec(report)
    facts = spec.platforms.get(target.platform) if spec is not None and target.platform is not None else None
    if facts is not None and facts.shared_ipad == "required" and target.shared_ipad is not True:
        return False
    return not any(each.severity == "error" for each in catalog.check(report, keys_of(report, target), target))


@cache
def depends_on_answers(report: str) -> bool:
    """Whether it takes what the device has said of its supervision and users to tell."""
    return asks_supervision(report, {})


def command_for(report: str, keys: Mapping[str, Any], now: Instant, expires_at: Instant, by: str) -> QueuedCommand:
    """Not for a channel that waits for the same; people's DeviceInformation may ask for less, and does not count."""
    built = command.build(str(uuid.uuid4()).upper(), report, keys)
    return QueuedCommand(
        uuid=built.uuid,
        request_type=report,
        body=built.body,
        priority=PRIORITY,
        expires_at=expires_at,
        created_at=now,
        created_by=by,
        unless_open=PRIORITY if report == "DeviceInformation" else ANY_PRIORITY,
    )
