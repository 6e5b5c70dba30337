"""Questions for many channels, as few commands: those that ask the same are one."""

from corral.apple.catalog import Target
from corral.lifecycle.collecting import expires_at
from corral.lifecycle.state import Instant
from corral.service.collecting.asking import command_for, keys_of
from corral.store.collection import Asking


class Batch:
    def __init__(self, now: Instant, by: str) -> None:
        self._now = now
        self._by = by
        self._asked: dict[tuple[str, tuple[str, ...], Instant], list[str]] = {}

    def add(self, report: str, target: Target, channel_id: str, every: Instant) -> None:
        """The channel of a device like `target`, which takes the report, is to be asked for it."""
        queries = tuple(keys_of(report, target).get("Queries", ()))
        self._asked.setdefault((report, queries, expires_at(every, self._now)), []).append(channel_id)

    def askings(self) -> list[Asking]:
        """What is asked of many first."""
        found: list[Asking] = []
        for (report, queries, expires), channels in self._asked.items():
            keys = {"Queries": list(queries)} if queries else {}
            command = command_for(report, keys, self._now, expires, self._by)
            found.append(Asking(command=command, channel_ids=tuple(channels)))
        return found
