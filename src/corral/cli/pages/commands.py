"""Commands as people read them."""

import json
from collections.abc import Iterable
from typing import Any, cast

from corral.cli.pages.writing import clean, count, hint, print_facts, print_table, say, when

_SHORT = 100
"""Characters of one value of a result in a listing."""


def write_sent(data: dict[str, Any]) -> None:
    queued = [each for each in data["devices"] if each["queued"]]
    if queued:
        say(f"Command {data['command_uuid']} is queued for {count(len(queued), 'device')}.")
    write_verdicts(data["devices"])


def write_verdicts(devices: Iterable[dict[str, Any]]) -> None:
    for each in devices:
        if each["verdict"] == "eligible":
            say(f"{clean(each['device'])} would take it.")
        elif not each["queued"]:
            hint(f"Not for {clean(each['device'])}: {each['problem']}")
        for finding in each["findings"]:
            if not each["problem"]:
                hint(f"{clean(each['device'])}: {finding['severity']} at {finding['where']}: {finding['what']}")


def write_sent_with_answers(data: dict[str, Any]) -> None:
    write_sent(data)
    for each in data["answers"]:
        _write_delivery(each)


def write_list(data: dict[str, Any]) -> None:
    rows = [
        (
            each["command_uuid"],
            each["request_type"],
            each["device_id"] + (f" / {each['user_id']}" if each["user_id"] else ""),
            _state(each),
            when(each["created_at"]),
            when(each["finished_at"]),
            each["created_by"],
        )
        for each in data["commands"]
    ]
    print_table(("command", "type", "device", "state", "queued", "finished", "by"), rows, "No command.")
    if data["next"]:
        hint(f"There are more: add --before {data['next']}, or --limit 0 for all.")


def write_revealed(data: dict[str, Any]) -> None:
    print_facts((("command", data["command_uuid"]), ("type", data["request_type"]), ("device", data["device"])))
    say("sent:")
    _write_values(data["keys"], short=False)
    if data["result"] is None:
        say("It has not answered yet.")
        return
    say(f"answered {data['result']['status']}:")
    _write_values(data["result"]["result"], short=False)


def write_detail(data: dict[str, Any]) -> None:
    print_facts((("command", data["command_uuid"]), ("type", data["request_type"])))
    _write_values(data["keys"])
    for each in data["deliveries"]:
        _write_delivery(each)
    if data["next"]:
        hint("There are more devices: name one with --device, or see `corral command list`.")


def _write_delivery(found: dict[str, Any]) -> None:
    delivery, result = found["delivery"], found["result"]
    user = f", user {clean(delivery['user_id'])}" if delivery["user_id"] else ""
    say("", f"{delivery['device_id']}{user}: {_state(delivery)} {when(delivery['finished_at'])}".rstrip())
    if result is None:
        return
    for error in result["errors"]:
        say(f"  {error['domain']} {error['code']}: {clean(error['description'])}")
    if result["unreadable"]:
        say("  The answer is not readable as a whole; see it with --raw.")
    _write_values({name: value for name, value in result["result"].items() if name != "RequestType"})


def _state(delivery: dict[str, Any]) -> str:
    if delivery["state"] != "open":
        return delivery["state"]
    if delivery["not_now_count"]:
        return f"open, NotNow {count(delivery['not_now_count'], 'time')}"
    return f"open, sent {count(delivery['attempts'], 'time')}" if delivery["attempts"] else "open"


def _write_values(values: dict[str, Any], indent: int = 1, *, short: bool = True) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and value and not {"$data", "$date"} & value.keys():
            say(f"{'  ' * indent}{clean(name)}:")
            _write_values(cast(dict[str, Any], value), indent + 1, short=short)
        else:
            text = clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            say(f"{'  ' * indent}{clean(name)}: {text[:_SHORT] + ' ...' if short and len(text) > _SHORT else text}")
