"""What Prometheus scrapes: counters of this process, or of all serving processes together, and the state of the whole
installation, read when it is asked for. No label has values that devices or strangers choose.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest, values
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from corral import __version__
from corral.lifecycle.state import SECOND, Instant
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock
from corral.service.installation.durations import Durations
from corral.service.installation.expiries import Expiries, Expiry
from corral.store.audit import Ends
from corral.store.directory import Backlog
from corral.store.inventory import Waiting
from corral.store.store import Store
from corral.store.webhooks import Letters, Webhook

OTHER = "other"
"""The label of topics that there is no certificate for."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """Counted where it happens. Several processes keep their counts in files of the folder `shared`, where whichever is
    scraped finds those of all.
    """

    def __init__(self, shared: Path | None = None) -> None:
        if shared is not None:
            # The library decides at its import, by the environment, and looks there again for each file.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
            values.ValueClass = values.MultiProcessValue()  # pyright: ignore[reportUnknownMemberType] - untyped there
        self._own = CollectorRegistry()
        self._shared = shared
        self._durations = Durations(self._own)
        self.answered = self._durations.answered
        self._told = Counter(
            "corral_webhook_calls", "Calls of webhooks by what came of them.", ("outcome",), registry=self._own
        )
        self._taken_in = Counter(
            "corral_inventory_answers", "Answers of devices that were taken into the inventory.", registry=self._own
        )
        self._asked = Counter(
            "corral_inventory_asked", "Devices asked for a report, by the report.", ("report",), registry=self._own
        )
        self._pushes = Counter("corral_pushes", "Pushes by what came of them.", ("outcome",), registry=self._own)

    def pushed(self, outcome: str) -> None:
        self._pushes.labels(outcome).inc()

    def asked(self, report: str, devices: int) -> None:
        """So many devices were asked for a report."""
        self._asked.labels(report).inc(devices)

    def told(self, outcome: str) -> None:
        """A receiver of events was called."""
        self._told.labels(outcome).inc()

    def taken_in(self, answers: int) -> None:
        """Into the inventory."""
        self._taken_in.inc(answers)

    def collect(self) -> Iterable[Metric]:
        self._durations.settle()
        if self._shared is not None:
            yield from MultiProcessCollector(None, str(self._shared)).collect()
        else:
            yield from self._own.collect()


class Exposition:
    """The whole answer to a scrape."""

    def __init__(
        self, metrics: Metrics, store: Store, authorities: Authorities, expiries: Expiries, clock: Clock
    ) -> None:
        self._metrics = metrics
        self._expiries = expiries
        self._store = store
        self._authorities = authorities
        self._clock = clock

    async def read(self) -> bytes:
        """In Prometheus' text format. Raises StoreUnavailable."""
        now = self._clock()
        counts = await self._store.directory.counts()
        backlog = await self._store.directory.backlog()
        webhooks = await self._store.webhooks.all()
        breaker = await self._store.vault.breaker_opened_at()
        pushing = [(each.topic, each.not_after) for each in await self._store.vault.push_certificates()]
        state = [
            InfoMetricFamily("corral", "The running program.", {"version": __version__}),
            _gauge("corral_connections", "Connections by phase.", "phase", _phases(counts)),
            _gauge(
                "corral_topic_channels",
                "Channels that a push certificate's topic reaches; `other` have a topic without a certificate.",
                "topic",
                _topics(counts, {topic for topic, _ in pushing}),
            ),
            *_backlog(backlog, now),
            _gauge("corral_webhooks", "Webhooks by whether they are called.", "state", _states(webhooks)),
            *_events(await self._store.webhooks.letters(), await self._lag(webhooks, now)),
            *_inventory(await self._store.inventory.waiting(), now),
            _gauge(
                "corral_inventory_oldest_ask_age_seconds",
                "How long ago the device was asked for a report whose turn was the longest ago.",
                "report",
                ((report, (now - at) / SECOND) for report, at in (await self._store.collection.oldest()).items()),
            ),
            *_audit(await self._store.audit.ends()),
            GaugeMetricFamily("corral_breaker_open", "1 while nobody is told to leave.", int(breaker is not None)),
            _gauge(
                "corral_push_certificate_expiry_timestamp_seconds",
                "When the push certificate of a topic expires.",
                "topic",
                ((topic, not_after / SECOND) for topic, not_after in pushing),
            ),
            GaugeMetricFamily(
                "corral_authority_expiry_timestamp_seconds",
                "When the certificate of the authority that issues identities expires.",
                _seconds(self._authorities.current.certificate.not_valid_after_utc),
            ),
            _expiring(await self._expiries.read()),
            _gauge(
                "corral_identities_unrenewed",
                "Connected devices whose certificate should have been renewed, by days before its end (0: over).",
                "days",
                ((str(days), count) for days, count in (await self._store.directory.unrenewed()).items()),
            ),
            _gauge(
                "corral_authority_devices",
                "Devices that speak under a certificate of each authority.",
                "authority",
                self._authorities.roster.devices(await self._store.directory.issuers()).items(),
            ),
        ]
        registry = CollectorRegistry()
        registry.register(_Families([*self._metrics.collect(), *state]))
        return generate_latest(registry)

    async def _lag(self, webhooks: Sequence[Webhook], now: Instant) -> Instant:
        """Of the webhook that is furthest behind."""
        oldest = now
        for each in webhooks:
            if each.disabled_at is None:
                waiting = [letter.put_at for letter in await self._store.webhooks.waiting(each.id, 1)]
                following = [stored.event.at for stored in await self._store.events.read(each.passed, 1)]
                oldest = min([oldest, *waiting, *following])
        return now - oldest


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _backlog(backlog: Backlog, now: Instant) -> Iterator[Metric]:
    age = 0 if backlog.oldest_command is None else max(now - backlog.oldest_command, 0)
    yield GaugeMetricFamily("corral_commands_open", "Commands in queues, without a result yet.", backlog.commands)
    yield GaugeMetricFamily(
        "corral_commands_open_oldest_age_seconds", "How long the oldest of them has been queued.", age / SECOND
    )
    yield _gauge("corral_work_waiting", "Background work that waits, by kind.", "kind", backlog.work.items())
    late = ((kind, max(now - due, 0) / SECOND) for kind, due in backlog.oldest_work.items())
    yield _gauge("corral_work_lateness_seconds", "How long the oldest of it has been due.", "kind", late)


def _events(letters: Mapping[str, Letters], lag: Instant) -> Iterator[Metric]:
    waiting, dead = (sum(getattr(each, name) for each in letters.values()) for name in ("waiting", "dead"))
    yield GaugeMetricFamily("corral_webhook_letters_waiting", "Events that a receiver did not take at once.", waiting)
    yield GaugeMetricFamily("corral_webhook_letters_dead", "Events that a receiver did not take for three days.", dead)
    yield GaugeMetricFamily(
        "corral_event_lag_seconds", "How long the oldest event has waited for an enabled webhook.", lag / SECOND
    )


def _states(webhooks: Sequence[Webhook]) -> Iterator[tuple[str, float]]:
    disabled = sum(each.disabled_at is not None for each in webhooks)
    yield "enabled", len(webhooks) - disabled
    yield "disabled", disabled


def _inventory(waiting: Waiting, now: Instant) -> Iterator[Metric]:
    lag = 0 if waiting.oldest is None else max(now - waiting.oldest, 0)
    yield GaugeMetricFamily(
        "corral_inventory_waiting", "Answers of devices that are not taken into the inventory yet.", waiting.answers
    )
    yield GaugeMetricFamily("corral_inventory_lag_seconds", "How long the oldest of them has waited.", lag / SECOND)


def _audit(ends: Ends) -> Iterator[Metric]:
    yield GaugeMetricFamily("corral_audit_waiting", "Entries of the audit trail that are not linked yet.", ends.waiting)
    yield GaugeMetricFamily(
        "corral_audit_place",
        "Place of the last entry of the audit trail that is linked; 0 if that cannot be opened.",
        ends.head.place if ends.head is not None else 0,
    )


def _expiring(expiries: Iterable[Expiry]) -> GaugeMetricFamily:
    """All that ends on a date; what it is and its name are the operator's own words."""
    family = GaugeMetricFamily(
        "corral_expiry_timestamp_seconds", "When something of the installation ends.", labels=("kind", "name")
    )
    ends: dict[tuple[str, str], Instant] = {}
    for each in expiries:
        # Two of one name are one line, the earlier end: a scrape with the same line twice is refused.
        ends[each.kind, each.name] = min(each.not_after, ends.get((each.kind, each.name), each.not_after))
    for (kind, name), not_after in ends.items():
        family.add_metric((kind, name), not_after / SECOND)
    return family


def _phases(counts: dict[str, int]) -> Iterator[tuple[str, float]]:
    return ((name, count) for name, count in counts.items() if not name.startswith("topics:"))


def _topics(counts: dict[str, int], known: Collection[str]) -> Iterator[tuple[str, float]]:
    """Those without a certificate together, since a device says what its topic is."""
    by_topic = {name.removeprefix("topics:"): count for name, count in counts.items() if name.startswith("topics:")}
    yield from ((topic, by_topic.get(topic, 0)) for topic in sorted(known))
    yield OTHER, sum(count for topic, count in by_topic.items() if topic and topic not in known)


def _gauge(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=(label,))
    for value, amount in values:
        family.add_metric((value,), amount)
    return family


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
