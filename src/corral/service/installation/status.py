"""What `corral status` and `corral doctor` ask: facts about the installation, none of them secret."""

from collections.abc import Mapping
from typing import Any

from corral import __version__
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, to_datetime
from corral.service.installation.expiries import Expiries
from corral.store.store import Store


class Status:
    def __init__(self, store: Store, authorities: Authorities, expiries: Expiries, clock: Clock) -> None:
        self._store = store
        self._authorities = authorities
        self._expiries = expiries
        self._clock = clock

    async def read(self) -> Mapping[str, Any]:
        counts = await self._store.directory.counts()
        roster, now = self._authorities.roster, self._clock()
        issuing = roster.issuing(now)
        authority = issuing.authority.certificate
        devices = roster.devices(await self._store.directory.issuers())
        breaker = await self._store.vault.breaker_opened_at()
        return {
            "version": __version__,
            "time": to_datetime(self._clock()),
            "connections": {name: n for name, n in counts.items() if not name.startswith("topics:")},
            "topics": {name.removeprefix("topics:"): n for name, n in counts.items() if name.startswith("topics:")},
            "push_certificates": [
                {
                    "topic": each.topic,
                    "not_after": to_datetime(each.not_after),
                    "apple_account": each.apple_account,
                    "stopped": each.stopped,
                }
                for each in await self._store.vault.push_certificates()
            ],
            "authority": {
                "subject": authority.subject.rfc4514_string(),
                "not_after": authority.not_valid_after_utc,
            },
            "older_authorities": [
                {"id": each.id, "devices": devices[each.id], "moved_by": to_datetime(issuing.moved_by)}
                for each in roster.older(issuing)
            ],
            "unrenewed": dict(await self._store.directory.unrenewed()),
            "expiries": [
                {
                    "kind": each.kind,
                    "name": each.name,
                    "not_after": to_datetime(each.not_after),
                    "days_left": each.days_left(self._clock()),
                    "warning_days": each.warning(self._clock()),
                    "remedy": each.remedy,
                }
                for each in await self._expiries.read()
            ],
            "breaker_opened_at": to_datetime(breaker) if breaker is not None else None,
        }
