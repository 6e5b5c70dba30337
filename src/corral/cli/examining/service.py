"""What the service tells of itself: push certificates, its authority, the breaker."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from corral.cli.examining.finding import Finding, fail, ok, warn
from corral.cli.push_cert import WHO_SIGNS

WARN_DAYS = (60, 30, 7, 1)


def examine(status: Mapping[str, Any]) -> list[Finding]:
    now = datetime.fromisoformat(status["time"])
    return [
        *_push(status, now),
        _authority(status["authority"], now),
        *_older(status["older_authorities"], now),
        *_expiries(status["expiries"]),
        *_unrenewed(status["unrenewed"]),
        *_breaker(status["breaker_opened_at"]),
    ]


def _push(status: Mapping[str, Any], now: datetime) -> list[Finding]:
    certificates: list[Mapping[str, Any]] = status["push_certificates"]
    if not certificates:
        return [
            fail(
                "push certificate",
                "there is none, so no device can enroll",
                f"Begin with `corral push-cert request`. {WHO_SIGNS}",
            )
        ]
    held = {each["topic"] for each in certificates}
    found = [_one(each, now) for each in certificates]
    topics: Mapping[str, int] = status["topics"]
    for topic, channels in topics.items():
        if topic and topic not in held and channels:
            told = f"{channels:,} channels enrolled under topic {topic}, for which there is no certificate"
            found.append(
                fail("push certificate", told, "Import the certificate of that topic; else enroll them again.")
            )
    return found


def _one(certificate: Mapping[str, Any], now: datetime) -> Finding:
    days = (datetime.fromisoformat(certificate["not_after"]) - now).days
    account = certificate["apple_account"]
    renew = f"Renew it at identity.apple.com/pushcert with the same Apple Account{f', {account}' if account else ''}."
    name = f"topic {certificate['topic']}"
    if certificate["stopped"]:
        return fail("push certificate", f"{name}: Apple refuses it ({certificate['stopped']})", renew)
    if days < 0:
        return fail("push certificate", f"{name} has expired: no device can be reached", renew)
    if days <= WARN_DAYS[0]:
        level = fail if days <= WARN_DAYS[2] else warn
        return level("push certificate", f"{name} expires in {days} days", renew)
    if not account:
        remedy = "Import it again with --apple-account: only that account can renew it, in a year."
        return warn("push certificate", f"{name}, {days} days left; whose Apple Account it is was not recorded", remedy)
    return ok("push certificate", f"{name}, {days} days left, of Apple Account {account}")


def _authority(authority: Mapping[str, Any], now: datetime) -> Finding:
    days = (datetime.fromisoformat(authority["not_after"]) - now).days
    if days < 400:
        level = fail if days < 30 else warn
        remedy = "Certificates that it issues end with it. Make a new one with `corral authority rotate`."
        return level("authority", f"{authority['subject']} expires in {days} days", remedy)
    return ok("authority", f"{authority['subject']}, {days // 365} years left")


def _older(authorities: Sequence[Mapping[str, Any]], now: datetime) -> list[Finding]:
    """Of a roll-over that is under way, or that nobody has ended."""
    found: list[Finding] = []
    for each in authorities:
        devices, due = each["devices"], datetime.fromisoformat(each["moved_by"])
        told = f"{devices:,} devices are left under the older {each['id']}"
        if not devices:
            remedy = f"End it: corral authority retire {each['id']}"
            found.append(warn("authority", f"no device is left under the older {each['id']}", remedy))
        elif now > due:
            remedy = "They did not come for their renewal. See `corral device list`; wake them, or enroll them again."
            found.append(warn("authority", f"{told}, though all should have been renewed by {due:%Y-%m-%d}", remedy))
        else:
            found.append(ok("authority", f"{told}, which are renewed over by {due:%Y-%m-%d}"))
    return found


def _expiries(expiries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What ends soon, apart from what has findings of its own."""
    found: list[Finding] = []
    for each in expiries:
        days, near = each["days_left"], each["warning_days"]
        if near is None or each["kind"] in ("push certificate", "authority"):
            continue
        level = fail if near <= WARN_DAYS[2] else warn
        told = "has expired" if near == 0 else f"expires in {days} days"
        found.append(level(each["kind"], f"{each['name']} {told}", each["remedy"]))
    return found


def _unrenewed(unrenewed: Mapping[str, int]) -> list[Finding]:
    """Devices by the days that their certificates are near to the end; JSON has numbers as names in quotes."""
    if not unrenewed:
        return []
    over = unrenewed.get("0", 0)
    near = sum(unrenewed.values()) - over
    told = ", ".join(
        (*([f"{near:,} end soon"] if near else []), *([f"{over:,} have expired"] if over else [])),
    )
    remedy = "See `corral events` for identity.expiring: wake these devices, or enroll them again before the end."
    level = fail if over or unrenewed.get("1") or unrenewed.get("7") else warn
    return [level("identities", f"certificates of devices that are not renewed: {told}", remedy)]


def _breaker(opened_at: str | None) -> list[Finding]:
    if opened_at is None:
        return []
    remedy = "See `corral breaker show`, and close it when you know why."
    return [warn("breaker", f"open since {opened_at}: no device is told to leave", remedy)]
