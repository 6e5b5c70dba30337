"""`corral webhook`: who is told of events by a call."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from corral.cli.failure import Failure, UsageFailure
from corral.cli.moments import moment
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Webhooks: tell others of events, by signed calls.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the webhook.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="PATTERN", help="Events of this type, `connection.*` for example; repeatable."),
]


@app.command("add")
@over_api
def add_webhook(
    session: Session,
    receiver: Annotated[str, typer.Argument(metavar="URL", help="Where to POST each event: https://HOST/...")],
    types: Types = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
) -> None:
    """Tell a receiver of everything that happens from now on.

    Its secret, with which it checks the signatures, is shown this once.
    """
    body = {"url": receiver, "types": types or ["*"], "note": note}
    session.show(session.api.post("/webhooks", body), _write_secret)


@app.command("list")
@over_api
def list_webhooks(session: Session) -> None:
    """All webhooks, and how their receivers do."""
    session.show(session.api.get("/webhooks"), _write_list)


@app.command("show")
@over_api
def show_webhook(session: Session, webhook: Id) -> None:
    """One webhook."""
    session.show(session.api.get(_path(webhook)), _write_one)


@app.command("change")
@over_api
def change_webhook(
    session: Session,
    webhook: Id,
    receiver: Annotated[str | None, typer.Option("--send-to", metavar="URL", help="Another URL.")] = None,
    types: Types = None,
    note: Annotated[str | None, typer.Option("--note", help="What it is for.")] = None,
    enabled: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Go on where it stood, or send nothing.", show_default=False),
    ] = None,
) -> None:
    """Change where it sends, what, or whether it does."""
    given = {"url": receiver, "types": types, "note": note, "enabled": enabled}
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise UsageFailure("Say what to change: --send-to, --type, --note, --enable or --disable.")
    session.show(session.api.patch(_path(webhook), body), _write_one)


@app.command("test")
@over_api
def try_webhook(session: Session, webhook: Id) -> None:
    """Send a test event now, and say how it is answered."""
    tested = session.api.post(f"{_path(webhook)}/test")
    if not tested["taken"] and not session.as_json:
        raise Failure(f"Not taken: {tested['problem']}.")
    session.show(tested, lambda data: print(f"Taken, after {data['milliseconds']} ms."))


@app.command("rotate")
@over_api
def rotate_webhook(
    session: Session,
    webhook: Id,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="SPAN", help="So long the secret before signs as well.")
    ] = "1d",
) -> None:
    """Sign with another secret, which is shown this once."""
    span = moment("--overlap", overlap, "at", "overlap")
    if "overlap" not in span:
        raise UsageFailure("--overlap: give a span such as 1d or 12h.")
    session.show(session.api.post(f"{_path(webhook)}/rotate", span), _write_secret)


@app.command("replay")
@over_api
def replay_webhook(
    session: Session,
    webhook: Id,
    after: Annotated[int | None, typer.Option("--after", min=0, help="Events behind this number.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="SPAN|TIME", help="Events of this time: 12h ago, or a time.")
    ] = None,
) -> None:
    """Send events again.

    In their order, with the same `webhook-id` as before.
    """
    if (after is None) == (since is None):
        raise UsageFailure("Give either --after or --since.")
    body: dict[str, Any] = {"after": after} if after is not None else {"since": _past(str(since))}
    replayed = session.api.post(f"{_path(webhook)}/replay", body)
    session.show(replayed, lambda data: print(f"Everything behind event {data['after']} is sent again."))


@app.command("dead")
@over_api
def list_dead(
    session: Session, webhook: Id, limit: Annotated[int, typer.Option("--limit", min=1, help="So many.")] = 100
) -> None:
    """Events that were not taken for three days, and are tried no more."""
    session.show(session.api.pages(f"{_path(webhook)}/dead", "letters", limit, "before"), _write_dead)


@app.command("resend")
@over_api
def resend(
    session: Session,
    webhook: Id,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Of events.  [default: all]", show_default=False)
    ] = None,
) -> None:
    """Try dead events again."""
    body = {"sequences": numbers} if numbers else {}
    sent = session.api.post(f"{_path(webhook)}/resend", body)
    session.show(sent, lambda data: print(f"{data['count']} events are tried again."))


@app.command("remove")
@over_api
def remove_webhook(session: Session, webhook: Id) -> None:
    """Send nothing any more, and forget what was not taken."""
    session.api.delete(_path(webhook))
    session.show({"id": webhook, "removed": True}, lambda data: print(f"Webhook {data['id']} is removed."))


def _path(webhook: str) -> str:
    from corral.cli.reach.api import segment

    return f"/webhooks/{segment(webhook)}"


def _past(text: str) -> str:
    """A time; a span is counted back from now."""
    given = moment("--since", text, "at", "seconds")
    if "at" in given:
        return given["at"]
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - given["seconds"], UTC).isoformat()


def _state(data: dict[str, Any]) -> str:
    from corral.cli.pages.writing import ago

    if data["disabled_at"]:
        return f"disabled: {data['disabled_why']}"
    if data["failing_since"]:
        return f"failing since {ago(data['failing_since'])}: {data['problem']}"
    return "fine" if data["succeeded_at"] else "nothing sent yet"


def _write_secret(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say

    say(f"Webhook {data['webhook']['id']}. Its secret, shown this once:")
    say(f"  {data['secret']}")


def _write_one(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_facts, when

    print_facts(
        (
            ("id", data["id"]),
            ("URL", data["url"]),
            ("note", data["note"] or None),
            ("events", ", ".join(data["types"])),
            ("state", _state(data)),
            ("last success", when(data["succeeded_at"]) or "none yet"),
            ("passed", f"event {data['passed']}"),
            ("waiting", f"{data['waiting']} events, {data['dead']} dead"),
            ("secrets", f"{data['secrets']} sign now"),
            ("added", f"{when(data['created_at'])} by {data['created_by']}"),
        )
    )


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [
        (each["id"], each["url"], ", ".join(each["types"]), each["waiting"], each["dead"], _state(each))
        for each in data["webhooks"]
    ]
    print_table(("id", "URL", "events", "waiting", "dead", "state"), rows, "No webhook; `corral webhook add URL`.")


def _write_dead(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (
            each["sequence"],
            each["event"]["type"] if each["event"] else "forgotten",
            each["event"]["device_id"] if each["event"] else "",
            each["attempts"],
            when(each["dead_at"]),
            each["problem"],
        )
        for each in data["letters"]
    ]
    print_table(("number", "event", "device", "attempts", "dead since", "problem"), rows, "No dead events.")
