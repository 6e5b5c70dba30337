"""The schedule of the installation: which reports, how often, from which devices. Kept in the database, so that all
processes go by the same.

Rules as people write them, JSON or TOML. The first that names a report and fits the device decides for that report; a
report that no rule names is not asked for.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from corral.apple.platform import Platform
from corral.inventory.question import LONGEST as LONGEST_QUESTION
from corral.lifecycle.change import Event
from corral.lifecycle.collecting import LEAST
from corral.lifecycle.state import DAY, Instant
from corral.service.clock import Clock
from corral.service.errors import RequestRefused
from corral.service.inventory.looking import question_of
from corral.settings import parse_duration
from corral.store.vault import Vault

MOST_RULES = 100
LONGEST = 90 * DAY
_NAME = "inventory.schedule"

Report: TypeAlias = Literal[
    "DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ManagedApplicationList", "ProfileList",
    "CertificateList", "UserList", "AvailableOSUpdates", "OSUpdateStatus", "ProvisioningProfileList", "Restrictions",
]  # fmt: skip
"""See `lifecycle.collecting.REPORTS`; a test holds the two together."""


class ScheduleRule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`every` is a duration such as 1d or 12h, or `never`; without a `platform` it is for all of them, and without a
    `query` (a question to the inventory) for all devices of those."""

    reports: Annotated[tuple[Report, ...], Meta(min_length=1, max_length=50)]
    every: Annotated[str, Meta(min_length=1, max_length=20)]
    platform: tuple[Platform, ...] = ()
    query: Annotated[str, Meta(min_length=1, max_length=LONGEST_QUESTION)] | None = None


class ScheduleDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    rules: Annotated[tuple[ScheduleRule, ...], Meta(max_length=MOST_RULES)] = ()


DEFAULT = ScheduleDocument(
    rules=(
        ScheduleRule(reports=("DeviceInformation", "SecurityInfo"), every="1d"),
        ScheduleRule(
            reports=(
                "InstalledApplicationList",
                "ManagedApplicationList",
                "ProfileList",
                "CertificateList",
                "UserList",
                "AvailableOSUpdates",
            ),
            every="7d",
        ),
    )
)
"""Of an installation whose operator has put none."""

Times: TypeAlias = Mapping[str, Instant]
"""The reports of a device, with the time between two of each."""


class Schedule:
    """The rules, ready to be asked. Raises ValueError for an `every` that is none."""

    def __init__(self, document: ScheduleDocument) -> None:
        self._rules = [(rule, _every(rule.every)) for rule in document.rules]
        self._known: dict[tuple[Platform | None, frozenset[str]], Times] = {}
        self.queries = frozenset(rule.query for rule in document.rules if rule.query is not None)
        """What has to be known of a device before it is clear which rules fit."""

    def of(self, platform: Platform | None, fits: frozenset[str] = frozenset()) -> Times:
        """For a device of this platform that fits these queries. One whose platform is not known fits no rule that is
        for certain platforms."""
        if (platform, fits) not in self._known:
            decided = self._decided(platform, fits)
            self._known[platform, fits] = {report: every for report, every in decided.items() if every is not None}
        return self._known[platform, fits]

    def _decided(self, platform: Platform | None, fits: frozenset[str]) -> dict[str, Instant | None]:
        found: dict[str, Instant | None] = {}
        for rule, every in self._rules:
            if (not rule.platform or platform in rule.platform) and (rule.query is None or rule.query in fits):
                found |= {report: every for report in rule.reports if report not in found}
        return found


class Schedules:
    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock

    async def document(self) -> ScheduleDocument:
        """As it was put; the default where nobody has put one."""
        return _read(await self._vault.get_secret(_NAME))

    async def schedule(self) -> Schedule:
        return _schedule(await self._vault.get_secret(_NAME))

    async def put(self, document: ScheduleDocument, by: str) -> None:
        """Raises RequestRefused for one that cannot be gone by; it changes nothing then."""
        try:
            for query in Schedule(document).queries:
                question_of(query)
        except ValueError as error:
            raise RequestRefused(str(error)) from None
        data = {"by": by, "rules": list(_told(document))}
        event = Event(type="inventory.schedule-changed", at=self._clock(), data=data)
        await self._vault.put_secret(_NAME, msgspec.json.encode(document), (event,))


def _every(text: str) -> Instant | None:
    if text.strip().lower() == "never":
        return None
    span = parse_duration(text)
    if not LEAST <= span <= LONGEST:
        raise ValueError(f"every: from 15m to 90d, or never, not {text!r}.")
    return span


def _told(document: ScheduleDocument) -> Iterator[str]:
    for rule in document.rules:
        limits = [*rule.platform, *([rule.query] if rule.query is not None else [])]
        where = f" ({', '.join(limits)})" if limits else ""
        yield f"{', '.join(rule.reports)}: {rule.every}{where}"


def _read(stored: bytes | None) -> ScheduleDocument:
    return DEFAULT if stored is None else msgspec.json.decode(stored, type=ScheduleDocument)


@lru_cache(2)
def _schedule(stored: bytes | None) -> Schedule:
    """Read with every batch and changed now and then."""
    return Schedule(_read(stored))
