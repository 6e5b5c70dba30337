"""`corral events`: what happened, and what happens."""

from typing import Annotated, Any

import typer

from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="What happened, and what happens.", no_args_is_help=True)

_WAIT = 25
"""Seconds that the service is asked to wait for something; a proxy between may have less patience than it."""

Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="PATTERN", help="Of this type, `connection.*` for example; repeatable."),
]
Device = Annotated[str | None, typer.Option("--device", help="Of this device: id, serial number or connection.")]


@app.command("list")
@over_api
def list_events(
    session: Session,
    after: Annotated[int, typer.Option("--after", min=0, help="Only those behind this number.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="So many.")] = 100,
    types: Types = None,
    device: Device = None,
) -> None:
    """What happened, oldest first.

    To read on, give --after the last number.
    """
    query = {"after": after, "limit": limit, "types": _patterns(types), "device": device}
    session.show(session.api.get("/events", **query), _write_page)


@app.command("tail")
@over_api
def tail_events(
    session: Session,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, max=1000, help="So many of the last.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="And what comes, until Ctrl-C.")] = False,
    types: Types = None,
    device: Device = None,
) -> None:
    """The last events, oldest first; with --json one a line."""
    query: dict[str, Any] = {"limit": 1000, "types": _patterns(types), "device": device}
    page = session.api.get("/events", last=lines, **query)
    while True:
        for each in page["events"]:
            _write_line(each, as_json=session.as_json)
        if not follow:
            return
        page = session.api.get("/events", after=page["next"], wait=_WAIT, **query)


@app.command("types")
@over_api
def list_types(session: Session) -> None:
    """The types that events have."""
    session.show(session.api.get("/event-types"), _write_types)


def _patterns(types: list[str] | None) -> str | None:
    return ",".join(types) if types else None


def _write_page(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, when

    rows = [
        (each["sequence"], when(each["at"]), each["type"], each["device_id"], _facts(each["data"]))
        for each in data["events"]
    ]
    print_table(("number", "time", "event", "device", "details"), rows, "Nothing has happened since.")


def _write_line(event: dict[str, Any], *, as_json: bool) -> None:
    import json

    from corral.cli.pages.writing import clean, when

    if as_json:
        print(json.dumps(event, ensure_ascii=False), flush=True)
    else:
        facts = (when(event["at"]), event["type"], event["device_id"] or "-", _facts(event["data"]))
        print(event["sequence"], *(clean(each) for each in facts), flush=True)


def _write_types(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [(each["type"], each["about"], each["meaning"]) for each in data["event_types"]]
    print_table(("type", "about", "meaning"), rows, "There are none.")


def _facts(data: dict[str, Any]) -> str:
    """The details of an event on one line."""
    return ", ".join(f"{name} {value}" for name, value in data.items() if value not in (None, "", [], {}))
