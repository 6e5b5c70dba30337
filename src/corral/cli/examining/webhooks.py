"""Whether those who should be told of events are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from corral.cli.examining.finding import Finding, ok, warn


def examine(webhooks: Sequence[Mapping[str, Any]], now: datetime) -> list[Finding]:
    return [_one(each, now) for each in webhooks]


def _one(webhook: Mapping[str, Any], now: datetime) -> Finding:
    name, subject = webhook["id"], "webhook"
    again = f"See why with `corral webhook test {name}`"
    if webhook["disabled_at"]:
        remedy = f"{again}, then go on with `corral webhook change {name} --enable`."
        return warn(subject, f"{name} is disabled: {webhook['disabled_why']}", remedy)
    if webhook["failing_since"]:
        minutes = int((now - datetime.fromisoformat(webhook["failing_since"])).total_seconds() // 60)
        told = f"{name} has taken nothing for {minutes} minutes: {webhook['problem']}"
        return warn(subject, told, f"{again}; it is tried for three days.")
    if webhook["dead"]:
        told = f"{name} did not take {webhook['dead']:,} events, which are tried no more"
        return warn(subject, told, f"See `corral webhook dead {name}`, then `corral webhook resend {name}`.")
    if webhook["waiting"]:
        remedy = "They are tried again by themselves; the receiver's log should say why it refuses them."
        return warn(subject, f"{name} has not taken {webhook['waiting']:,} events yet", remedy)
    return ok(subject, f"{name} takes what it is told")
