"""What a device has, as it says itself, beside what was asked for."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from corral.apple.plist import PlistError, PlistValue, parse_dict
from corral.lifecycle.state import DeliveryState, Instant
from corral.service.commands.targeting import Targeting
from corral.service.kept_profile import read_kept
from corral.store.profiles import ProfileStore, StoredProfile, WantedProfile
from corral.store.queue import QueueStore, StoredResult

Standing: TypeAlias = Literal[
    "installed", "pending", "failed", "unconfirmed", "missing", "other-version", "removed", "still-there",
    "enrollment", "not-ours",
]  # fmt: skip
"""As wanted: installed, removed. Not known yet: pending (not answered), unconfirmed (acknowledged, not listed since).
Drift: failed, missing, other-version, still-there. Nothing that was asked for here: enrollment, not-ours."""

DRIFT: frozenset[Standing] = frozenset({"failed", "missing", "other-version", "still-there"})

ALL: frozenset[Standing] = frozenset(get_args(Standing))

STANDINGS: Mapping[str, frozenset[Standing]] = {"drift": DRIFT, **{each: frozenset[Standing]((each,)) for each in ALL}}
"""What one can ask for, by its name."""

_PIECE, _PIECES = 200, 20
"""Channels that are compared at once, and so many times for one page: it may be short, and go on all the same."""
_MOST = 2_000
"""Profiles of one answer that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """An entry of ProfileList."""

    identifier: str
    uuid: str
    name: str
    managed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`present` is None where the device does not list it, or has not said."""

    identifier: str
    standing: Standing
    wanted: WantedProfile | None
    present: Present | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The profiles of a channel at `as_of`, None if it has never said."""

    device_id: str
    as_of: Instant | None
    profiles: tuple[Compared, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is where the next one begins, None where there is none."""

    compared: tuple[Compared, ...]
    after: str | None


class Comparing:
    def __init__(self, profiles: ProfileStore, queue: QueueStore, targeting: Targeting) -> None:
        self._profiles = profiles
        self._queue = queue
        self._targeting = targeting

    async def device(self, name: str, user_id: str) -> Listing:
        """All that a channel has or should have; raises NotFound."""
        known, _ = await self._targeting.one(name, user_id)
        if known.channel_id is None:
            return Listing(device_id=known.device_id, as_of=None, profiles=())
        wanted = {each.identifier: each for each in await self._profiles.wanted(known.channel_id)}
        answers = await self._queue.recent("ProfileList", [known.channel_id])
        listed = await asyncio.to_thread(read_list, answers[0]) if answers else dict[str, Present]()
        as_of = answers[0].received_at if answers else None
        kept = read_kept(known.profile)
        enrollment = kept.facts.identifier if kept is not None else ""
        found = [
            compare(identifier, wanted.get(identifier), listed.get(identifier), as_of, enrollment)
            for identifier in sorted({*wanted, *listed})
        ]
        return Listing(device_id=known.device_id, as_of=as_of, profiles=tuple(found))

    async def profile(self, profile: StoredProfile, after: str, limit: int, standings: Set[Standing] = ALL) -> Page:
        """The channels in which one profile is wanted, and is of one of these standings, in the order of their ids."""
        found: list[Compared] = []
        piece = min(limit + 1, _PIECE) if standings == ALL else _PIECE
        for _ in range(_PIECES):
            wanted = await self._profiles.wanting(profile.id, after, piece)
            answers = await self._queue.recent("ProfileList", [each.channel_id for each in wanted]) if wanted else ()
            for channel_id, compared in await asyncio.to_thread(_compare_all, wanted, answers):
                if len(found) == limit:
                    return Page(tuple(found), after)
                after = channel_id
                if compared.standing in standings:
                    found.append(compared)
            if len(wanted) < piece:
                return Page(tuple(found), None)
        return Page(tuple(found), after)


def _compare_all(wanted: Sequence[WantedProfile], answers: Sequence[StoredResult]) -> list[tuple[str, Compared]]:
    """By channel."""
    listed = {each.channel_id: (read_list(each), each.received_at) for each in answers}
    found: list[tuple[str, Compared]] = []
    for each in wanted:
        present, as_of = listed.get(each.channel_id, (dict[str, Present](), None))
        found.append((each.channel_id, compare(each.identifier, each, present.get(each.identifier), as_of, "")))
    return found


def compare(
    identifier: str, wanted: WantedProfile | None, present: Present | None, as_of: Instant | None, enrollment: str
) -> Compared:
    """`as_of` is when the device listed what it has; `enrollment` the identifier of its enrollment profile."""
    if wanted is None:
        standing: Standing = "enrollment" if identifier == enrollment else "not-ours"
    else:
        standing = _standing(wanted, present, as_of)
    return Compared(identifier=identifier, standing=standing, wanted=wanted, present=present)


def _standing(wanted: WantedProfile, present: Present | None, as_of: Instant | None) -> Standing:
    as_wanted = (
        present is None if wanted.number is None else present is not None and present.uuid == wanted.payload_uuid
    )
    done: Standing = "removed" if wanted.number is None else "installed"
    match wanted.delivery:
        case DeliveryState.OPEN:
            return "pending"
        case DeliveryState.ACKNOWLEDGED if as_of is None or as_of < (wanted.finished_at or 0):
            return "unconfirmed"
        case DeliveryState.ACKNOWLEDGED:
            pass
        case _ if as_of is not None and as_of >= wanted.at and as_wanted:
            # Whatever became of the command: it is as it should be.
            return done
        case _:
            return "failed"
    if as_wanted:
        return done
    if wanted.number is None:
        return "still-there"
    return "missing" if present is None else "other-version"


def read_list(answer: StoredResult) -> Mapping[str, Present]:
    """By identifier; what cannot be read is left out."""
    try:
        entries = parse_dict(answer.body).get("ProfileList")
    except PlistError:
        return {}
    listed = entries if isinstance(entries, Sequence) and not isinstance(entries, str | bytes) else ()
    found = (_present(each) for each in listed[:_MOST] if isinstance(each, Mapping))
    return {each.identifier: each for each in found if each is not None}


def _present(entry: Mapping[str, PlistValue]) -> Present | None:
    identifier, managed = entry.get("PayloadIdentifier"), entry.get("IsManaged")
    if not isinstance(identifier, str):
        return None
    return Present(
        identifier=identifier,
        uuid=str(entry.get("PayloadUUID") or ""),
        name=str(entry.get("PayloadDisplayName") or ""),
        managed=managed if isinstance(managed, bool) else None,
    )
