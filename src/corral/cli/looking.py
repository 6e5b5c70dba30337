"""`status` and `events`: the installation as a whole."""

from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api


def add(app: typer.Typer) -> None:
    app.command()(over_api(status))
    app.command()(over_api(events))


def status(session: Session) -> None:
    """The service on one page."""
    session.show(session.api.get("/status"), _write_status)


def events(
    session: Session,
    after: Annotated[int, typer.Option("--after", min=0, help="Only those behind this number.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many.")] = 100,
) -> None:
    """What happened, oldest first.

    To read on, give --after the last number.
    """
    session.show(session.api.get("/events", after=after, limit=limit), _write_events)


def _write_status(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, print_facts, print_table, say, when

    phases: dict[str, int] = data["connections"]
    shown = ", ".join(f"{phases[name]:,} {name}" for name in _PHASES if phases.get(name)) or "none yet"
    breaker = data["breaker_opened_at"]
    print_facts(
        (
            ("Corral", data["version"]),
            ("Connections", shown),
            ("Authority", f"{data['authority']['subject']}, until {when(data['authority']['not_after'])}"),
            ("Breaker", f"OPEN since {when(breaker)}: see `corral breaker show`" if breaker else "closed"),
        )
    )
    say("")
    topics: dict[str, int] = data["topics"]
    held = {each["topic"] for each in data["push_certificates"]}
    rows = [
        (each["topic"], each["apple_account"], ago(each["not_after"]), topics.get(each["topic"], 0), each["stopped"])
        for each in data["push_certificates"]
    ]
    rows += [(topic, "", "", n, "no certificate") for topic, n in topics.items() if topic and topic not in held]
    print_table(
        ("push topic", "Apple Account", "expires", "channels", "problem"),
        rows,
        "No push certificate yet: begin with `corral push-cert request`.",
    )


_PHASES = ("connected", "authenticating", "ending", "ended")


def _write_events(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (each["sequence"], when(each["at"]), each["type"], each["device_id"], facts(each["data"]))
        for each in data["events"]
    ]
    print_table(("number", "time", "event", "device", "details"), rows, "Nothing has happened since.")


def facts(data: dict[str, Any]) -> str:
    """The details of an event on one line."""
    return ", ".join(f"{name} {value}" for name, value in data.items() if value not in (None, "", [], {}))
