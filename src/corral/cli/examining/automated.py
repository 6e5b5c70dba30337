"""Automated enrollment: tokens, Apple's terms, synchronization. Nothing where there is no server."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from corral.cli.examining.finding import Finding, fail, ok, warn

WARN_DAYS, FAIL_DAYS = 60, 7
STALE_HOURS = 6


def examine(servers: list[Mapping[str, Any]], now: datetime) -> list[Finding]:
    return [finding for each in servers for finding in _server(each, now)]


def _server(server: Mapping[str, Any], now: datetime) -> list[Finding]:
    subject, name = "automated enrollment", server["name"]
    if not server["has_token"]:
        remedy = f"Upload its certificate in Apple's portal, then `corral ade server import-token {name} FILE`."
        return [warn(subject, f"server {name} has no token yet", remedy)]
    found = [_token(subject, server, now)]
    if server["terms_open"]:
        remedy = "An administrator of the organization accepts them in Apple's portal; then all goes on by itself."
        found.append(fail(subject, f"{name}: Apple's new terms are not accepted, and nothing works until then", remedy))
    elif server["problem"]:
        remedy = f"See `corral ade server show {name}`; `corral ade sync` tries again."
        found.append(fail(subject, f"{name}: {server['problem']}", remedy))
    elif server["synced_at"] is None:
        found.append(warn(subject, f"{name} was never synchronized", "`corral ade sync` does it now."))
    else:
        hours = (now - datetime.fromisoformat(server["synced_at"])).total_seconds() / 3600
        told = f"{name} was synchronized {hours:,.1f} hours ago"
        stale = hours > STALE_HOURS
        found.append(warn(subject, told, "See the service's log.") if stale else ok(subject, told))
    return found


def _token(subject: str, server: Mapping[str, Any], now: datetime) -> Finding:
    days = (datetime.fromisoformat(server["token_expires_at"]) - now).days
    name = server["name"]
    remedy = f"Download a new one in Apple's portal, then `corral ade server import-token {name} FILE`."
    if days < 0:
        return fail(subject, f"{name}: the token has expired, and new devices are not seen", remedy)
    if days <= WARN_DAYS:
        return (fail if days <= FAIL_DAYS else warn)(subject, f"{name}: the token expires in {days} days", remedy)
    return ok(subject, f"{name}: the token of {server['org_name']} is good for {days} days")
