"""One device as people read it: what it is, its lives, and what happened."""

from collections.abc import Mapping
from typing import Any

from corral.cli.pages.writing import ago, clean, count, hint, print_facts, print_table, say, when, when_ago

_EVENT_KEYS = ("type",)


def write_device(data: dict[str, Any], inventory: dict[str, Any] | None = None) -> None:
    """`inventory` is None where it may not be seen."""
    device, lives = data["device"], data["connections"]
    life = lives[0] if lives else None
    push = data["last_push"]
    print_facts(
        (
            ("id", device["id"]),
            ("name", device["name"]),
            ("serial number", device["serial_number"]),
            ("model", _once(device["model_name"], device["product_name"], device["model"])),
            ("system", _once(device["platform"], device["os_version"], device["build_version"])),
            ("state", _state(device, life)),
            ("last seen", when_ago(data["last_seen"])),
            ("last push", f"{when_ago(push['at'])}: {push['outcome']}" if push else ""),
            ("queued", count(data["open_commands"], "command") if data["open_commands"] else ""),
            ("inventory", _inventory(inventory) if inventory is not None else ""),
        )
    )
    if data["takeover"]:
        say(
            f"A newcomer claims to be this device and waits (connection {data['takeover']}). If the device was erased,",
            f"`corral device takeover {device['id']} --accept`; else `--refuse`.",
        )
    _write_waiting(data["waiting"])
    say("")
    _write_lives(lives)
    _write_channels(data["channels"])
    _write_certificates(data["certificates"])


def _inventory(data: dict[str, Any]) -> str:
    """How much is known, and how old it is."""
    told = sorted((each["received_at"], each["report"]) for each in data["reports"] if each["received_at"])
    if not told:
        return "nothing yet"
    kinds = [each["kind"] for each in data["items"]]
    items = [count(kinds.count(kind), kind) for kind in ("app", "profile", "certificate") if kind in kinds]
    oldest, newest = told[0], told[-1]
    known = ", ".join([count(len(data["values"]), "attribute"), *items])
    return f"{known}; told {ago(newest[0])}, {oldest[1]} {ago(oldest[0])}"


def write_timeline(data: dict[str, Any]) -> None:
    _write_waiting(data["waiting"])
    rows = [(when(each["at"]), each["kind"], *_tell(each["kind"], each["data"])) for each in data["entries"]]
    print_table(("time", "kind", "what", "details"), rows, "Nothing is known to have happened.")
    if data["next"]:
        hint(f"There is more: add --before {data['next']}.")


def _tell(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """What happened, and the rest of what is known of it."""
    user = str(data.get("channel", "")).partition("/")[2]
    whose = f"user {user}" if user else ""
    match kind:
        case "event":
            return data["type"], ", ".join(
                f"{name} {clean(value)}"
                for name, value in data.items()
                if name not in _EVENT_KEYS and value not in (None, "", [], {})
            )
        case "push":
            return data["outcome"], whose
        case "delivery":
            handed = f"{count(data['attempts'], 'time')}" if data["step"] == "delivered" else ""
            return f"{data['request_type']} {data['step']}", _joined(data["command"], handed, whose)
        case "result":
            unreadable = "unreadable" if data["unreadable"] else ""
            return f"{data['request_type'] or 'unknown command'} {data['status']}", _joined(
                data["command"], unreadable, whose
            )
        case "contacts":
            return f"called {count(data['count'], 'time')} in this hour", whose
        case _:
            return kind, ""


def _once(*words: str | None) -> str:
    """Each word that is known, the first time that it comes."""
    return " ".join(dict.fromkeys(filter(None, words)))


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def _state(device: Mapping[str, Any], life: Mapping[str, Any] | None) -> str:
    blocked = ""
    if device["blocked_at"]:
        reason = f" ({device['blocked_reason']})" if device["blocked_reason"] else ""
        blocked = f"blocked since {when(device['blocked_at'])}{reason}; "
    if life is None:
        return f"{blocked}never connected"
    match life["phase"]:
        case "authenticating":
            told = f"authenticated {ago(life['created_at'])}, no token yet: its installation is not finished"
        case "connected":
            told = f"connected since {when(life['connected_at'])}"
        case "ending":
            told = f"is asked to leave by {life['ending_by']}; told to from {when(life['ending_deadline'])} on"
        case _:
            told = f"ended {when_ago(life['ended_at'])}: {life['end_reason']} ({life['proof']})"
    extra = [
        ("waits in Setup Assistant", life["awaiting_configuration_since"]),
        ("renews its certificate", life["renewing_since"]),
        ("is being erased", life["erasing_since"]),
    ]
    return blocked + "; ".join([told, *(f"{what} since {when(since)}" for what, since in extra if since)])


def _write_waiting(waiting: list[dict[str, Any]]) -> None:
    for each in waiting:
        until = f" than {when(each['until'])}" if each["until"] else ""
        user = each["channel_id"].partition("/")[2]
        whose = f" of user {clean(user)}" if user else ""
        say(f"Next command{whose}: {each['request_type']} {each['command_uuid']}; {each['why']}{until}.")


def _write_lives(lives: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"],
            each["phase"],
            each["origin"],
            when(each["created_at"]),
            when(each["ended_at"]),
            each["end_reason"],
            each["admitted_by"],
        )
        for each in lives
    ]
    print_table(("connection", "state", "origin", "begun", "ended", "reason", "let in by"), rows, "No connection.")


def _write_channels(channels: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["user_id"] or "device",
            each["short_name"] or each["long_name"],
            "ended" if each["ended_at"] else each["unreachable"] or ("reachable" if each["has_token"] else "no token"),
            when(each["token_updated_at"]),
            each["connection_id"],
        )
        for each in channels
    ]
    if rows:
        say("")
        print_table(("channel", "user", "push", "token of", "connection"), rows, "")


def _write_certificates(certificates: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["fingerprint"][:16],
            each["status"],
            each["purpose"],
            each["authority"] or f"own {each['issuer']}".strip(),
            when(each["issued_at"]),
            ago(each["not_after"]),
            when(each["heard_at"]),
        )
        for each in certificates
    ]
    if rows:
        say("")
        columns = ("certificate", "state", "for", "authority", "issued", "expires", "first heard")
        print_table(columns, rows, "")
    attested = next((each for each in certificates if each["attested"]), None)
    if attested is not None:
        said = [
            (name.replace("_", " "), str(value)) for name, value in attested["attested"].items() if value is not None
        ]
        say("")
        print_table((f"attested by Apple for {attested['fingerprint'][:16]}", ""), said, "")
