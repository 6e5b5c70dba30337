"""Everything of an installation that ends on a date: read at any time, and warned of in time, once each."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509

from corral.lifecycle.change import Event
from corral.lifecycle.expiry import WARN_DAYS, warning
from corral.lifecycle.state import DAY, HOUR, Instant
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, to_datetime, to_instant
from corral.store.access import Credential
from corral.store.ade import AdeServer
from corral.store.events import EventStore
from corral.store.vault import StoredPushCertificate, Vault
from corral.store.work import WorkStore

WORK = "expiries"
LOOKED_AT_EVERY = HOUR
SHORT = 7 * DAY
"""A token of shorter life is meant to end: nobody is warned of it."""
TOLD_AFTER = 30 * DAY
"""So long it is told that a token has ended: whoever needed it has noticed by then."""
_TOLD = "expiries.told"
_SUCCEED = "What it issues ends with it. Make its successor with `corral authority rotate`; devices are renewed over."
_RETIRE = "Its devices are being renewed over (`corral authority list`); then end it with `corral authority retire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """One thing that ends: `kind` is what it is, `name` which one, `remedy` what to do, for a person."""

    kind: str
    name: str
    not_after: Instant
    remedy: str

    def days_left(self, now: Instant) -> int:
        """Whole days, negative when it has ended."""
        return (self.not_after - now) // DAY

    def warning(self, now: Instant) -> int | None:
        """The smallest of WARN_DAYS that it has come within, 0 when it has ended; None while there is time."""
        return warning(self.not_after, now)


class Expiries:
    """`tls_certificate` is the file of an operator's own; one that Corral makes is renewed by itself."""

    def __init__(
        self,
        vault: Vault,
        credentials: Callable[[], Awaitable[Sequence[Credential]]],
        servers: Callable[[], Awaitable[Sequence[AdeServer]]],
        work: WorkStore,
        events: EventStore,
        authorities: Authorities,
        clock: Clock,
        *,
        tls_certificate: Path | None = None,
        foreign: Sequence[x509.Certificate] = (),
    ) -> None:
        self._vault = vault
        self._credentials = credentials
        self._servers = servers
        self._work = work
        self._events = events
        self._authorities = authorities
        self._tls_certificate = tls_certificate
        self._clock = clock
        self._foreign = foreign

    async def read(self) -> tuple[Expiry, ...]:
        """All that ends, the next first. Not tokens that were made for a short time, of which programs make many."""
        now = self._clock()
        found = [*_push(await self._vault.push_certificates()), *self._certificates()]
        found += [
            Expiry(
                kind="token",
                name=each.name,
                not_after=each.expires_at,
                remedy="Make another with `corral token create`, and revoke this one.",
            )
            for each in await self._credentials()
            if each.user_id is None and each.expires_at is not None and each.revoked_at is None
            if each.expires_at - each.created_at >= SHORT and now < each.expires_at + TOLD_AFTER
        ]
        found += [
            Expiry(
                kind="server token",
                name=each.name,
                not_after=each.token_expires_at,
                remedy="Download a new one for this server at Apple Business or School Manager, and import it.",
            )
            for each in await self._servers()
            if each.token_expires_at is not None
        ]
        return tuple(sorted(found, key=lambda each: (each.not_after, each.kind, each.name)))

    async def round(self) -> None:
        """Write an event for each that has come nearer to its end than was told before; by one process at a time."""
        now = self._clock()
        if await self._work.next_due(WORK) is None:
            await self._work.add(WORK, ["all"], now)
        for work in await self._work.lease(WORK, now, now + HOUR, 1):
            await self._warn(now)
            await self._work.put_back([(work, now + LOOKED_AT_EVERY)])

    async def _warn(self, now: Instant) -> None:
        stored = await self._vault.get_secret(_TOLD)
        told = msgspec.json.decode(stored, type=dict[str, int]) if stored else {}
        still: dict[str, int] = {}
        events: list[Event] = []
        for each in await self.read():
            days = each.warning(now)
            key = f"{each.kind}/{each.name}/{each.not_after}"
            if days is None:
                continue
            still[key] = days
            if days < told.get(key, WARN_DAYS[0] + 1):
                data = {
                    "kind": each.kind,
                    "name": each.name,
                    "not_after": to_datetime(each.not_after).isoformat(),
                    "days_left": each.days_left(now),
                    "remedy": each.remedy,
                }
                events.append(Event(type="expiry.over" if days == 0 else "expiry.near", at=now, data=data))
        if events:
            await self._events.append(tuple(events))
        if still != told:
            await self._vault.put_secret(_TOLD, msgspec.json.encode(still))

    def _certificates(self) -> list[Expiry]:
        roster = self._authorities.roster
        newest = roster.trusted[-1]
        found = [
            Expiry(
                kind="authority",
                name=each.authority.certificate.subject.rfc4514_string(),
                not_after=to_instant(each.authority.certificate.not_valid_after_utc),
                remedy=_SUCCEED if each == newest else f"{_RETIRE} {each.id}`.",
            )
            for each in roster.trusted
        ]
        found += [
            Expiry(
                kind="foreign authority",
                name=each.subject.rfc4514_string(),
                not_after=to_instant(each.not_valid_after_utc),
                remedy="Put its successor into the file that `authorities` names, beside it.",
            )
            for each in self._foreign
        ]
        served = _first(self._tls_certificate) if self._tls_certificate is not None else None
        if served is not None:
            found.append(
                Expiry(
                    kind="TLS certificate",
                    name=str(self._tls_certificate),
                    not_after=to_instant(served.not_valid_after_utc),
                    remedy="Replace the file; it is read again within a minute.",
                )
            )
        return found


def _push(certificates: Iterable[StoredPushCertificate]) -> list[Expiry]:
    return [
        Expiry(
            kind="push certificate",
            name=each.topic,
            not_after=each.not_after,
            remedy="Renew it at identity.apple.com/pushcert with the same Apple Account"
            + (f", {each.apple_account}." if each.apple_account else "."),
        )
        for each in certificates
    ]


def _first(path: Path) -> x509.Certificate | None:
    """None where the file cannot be read now: whoever serves with it says so."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None
