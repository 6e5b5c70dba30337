"""Every line that a service writes into its log; docs/logging.md is made of them.

No secret is ever a field. Whoever adds a line says here what it means; whoever needs a field gives it a meaning.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from corral.logs.line import Level, line

FIELDS: Final[Mapping[str, str]] = {
    "answers": "how many answers",
    "attempt": "id of the attempt",
    "command": "CommandUUID",
    "connection": "id of the connection",
    "kind": "which work: `push`, `contacts`, `sweep`, `retention`, `audit`, ...",
    "library": "the library",
    "listening": "the addresses",
    "message": "what it said",
    "method": "method of the request",
    "milliseconds": "how long it took",
    "operation": "what was asked for, as in docs/access.md",
    "outcome": "`refused` or `failed`",
    "path": "path of the request",
    "public_url": "how devices reach the service",
    "route": "the address with names for what varies, so that nothing secret is in it",
    "rows": "how many of each kind",
    "status": "status of the answer",
    "until": "when the new one ends",
    "version": "the running program",
    "webhook": "id of the webhook",
    "why": "the reason, for a person",
}
"""A field means the same wherever it is."""


# The process


@line("corral.started", Level.INFO)
def started(*, version: str, listening: Sequence[str], public_url: str) -> None:
    """The service listens."""


@line("corral.stopped", Level.INFO)
def stopped() -> None:
    """It has answered what was under way, and ends."""


@line("corral.tls-renewed", Level.INFO)
def tls_renewed(*, until: str) -> None:
    """The service has made itself a new TLS certificate."""


@line("corral.tls-not-renewed", Level.ERROR)
def tls_not_renewed(*, why: str) -> None:
    """It could not, and goes on with the one that it has."""


@line("corral.tls-reloaded", Level.INFO)
def tls_reloaded() -> None:
    """The files of `tls_certificate` and `tls_key` were read again."""


@line("corral.tls-not-reloaded", Level.ERROR)
def tls_not_reloaded(*, why: str) -> None:
    """They could not be used; the former certificate goes on."""


@line("traces.sent", Level.INFO)
def traces_sent() -> None:
    """Traces are on: the environment says where they go (docs/tracing.md)."""


@line("traces.missing", Level.WARNING)
def traces_missing() -> None:
    """The environment asks for traces, and OpenTelemetry is not installed: `pip install corral[traces]`."""


@line("library.said", Level.WARNING, bounded=True)
def library_said(*, library: str, message: str) -> None:
    """A library that Corral uses has warned of something; the level is its own."""


# Devices


@line("device.store-unavailable", Level.WARNING, bounded=True)
def device_store_unavailable(*, why: str) -> None:
    """Devices are answered 503, since the database does not answer; they come again."""


@line("device.failed", Level.ERROR, raised=True, bounded=True)
def device_failed(*, path: str) -> None:
    """Corral failed at a message of a device, kept nothing of it and answered 503; the device comes again."""


@line("scep.failed", Level.ERROR, raised=True, bounded=True)
def scep_failed() -> None:
    """Corral failed at a request of SCEP, and answered 503."""


@line("acme.failed", Level.ERROR, raised=True, bounded=True)
def acme_failed() -> None:
    """Corral failed at a request of ACME, and answered 500."""


@line("account.sign-in-refused", Level.INFO, bounded=True)
def sign_in_refused(*, why: str) -> None:
    """Somebody who signed in on a device may not enroll it."""


@line("account.sign-in-not-believed", Level.WARNING, bounded=True)
def sign_in_not_believed(*, why: str) -> None:
    """What came back from the identity provider does not hold: a forged or stale answer, or wrong settings."""


@line("account.provider-failed", Level.WARNING, bounded=True)
def provider_failed(*, why: str) -> None:
    """The identity provider does not answer as it should."""


# People and programs


@line("admin.failed", Level.ERROR, raised=True, bounded=True)
def admin_failed(*, method: str, path: str) -> None:
    """Corral failed at a request of the API, and answered 500."""


@line("audit.lost", Level.WARNING, bounded=True)
def audit_lost(*, operation: str, outcome: str, why: str) -> None:
    """A refusal or a failure is missing from the audit trail, since the database did not answer. Changes never are."""


@line("idempotency.answer-lost", Level.WARNING, bounded=True)
def answer_lost(*, attempt: str, why: str) -> None:
    """What was answered to a request with an `Idempotency-Key` is not kept, since the database does not answer."""


@line("http.answered", Level.DEBUG)
def answered(*, method: str, route: str, status: int, milliseconds: float) -> None:
    """A request was answered, of a device or of the API. Only with `log_level = debug`: a fleet makes many."""


# The background


@line("worker.store-unavailable", Level.WARNING, bounded=True)
def worker_store_unavailable(*, kind: str, why: str) -> None:
    """Background work waits, since the database does not answer; it is tried again."""


@line("worker.failed", Level.ERROR, raised=True, bounded=True)
def worker_failed(*, kind: str) -> None:
    """Corral failed at background work; it is tried again."""


@line("worker.contacts-lost", Level.WARNING)
def contacts_lost(*, why: str) -> None:
    """When devices were last heard could not be written at the stop: the last second is missing."""


@line("webhooks.store-unavailable", Level.WARNING, bounded=True)
def webhooks_store_unavailable(*, webhook: str, why: str) -> None:
    """Webhooks wait, since the database does not answer (all of them, if none is named)."""


@line("webhooks.failed", Level.ERROR, raised=True, bounded=True)
def webhooks_failed(*, webhook: str) -> None:
    """Corral failed at a webhook, and tries again in five seconds."""


@line("pushing.gone", Level.WARNING, bounded=True)
def pushing_gone(*, connection: str, why: str) -> None:
    """A device cannot be pushed any more, and what that means for whoever wants its place could not be written."""


@line("renewing.failed", Level.WARNING, bounded=True)
def renewing_failed(*, connection: str, why: str) -> None:
    """The renewal of a device's identity could not begin; it is tried again."""


@line("inventory.store-unavailable", Level.WARNING, bounded=True)
def inventory_store_unavailable(*, why: str) -> None:
    """Answers of devices are taken into the inventory later: the database does not answer."""


@line("inventory.failed", Level.ERROR, raised=True, bounded=True)
def inventory_failed() -> None:
    """Corral failed while it took answers in, and tries again soon."""


@line("inventory.not-taken-in", Level.ERROR, raised=True, bounded=True)
def inventory_not_taken_in(*, answers: int) -> None:
    """The database refused some answers; each is tried alone, and left out if it is refused again."""


@line("inventory.unreadable", Level.INFO, bounded=True)
def inventory_unreadable(*, connection: str, command: str, why: str) -> None:
    """An answer is no property list, and nothing of it is in the inventory."""


@line("inventory.remarks", Level.INFO, bounded=True)
def inventory_remarks(*, connection: str, command: str, why: str) -> None:
    """Some of an answer is not as Apple's schema has it, and was left out of the inventory."""


@line("retention.pruned", Level.INFO)
def pruned(*, rows: Mapping[str, int]) -> None:
    """What is older than the settings keep was forgotten."""
