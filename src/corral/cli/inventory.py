"""`corral inventory`: what is known of devices, and which of them fit a question."""

import sys
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from corral.cli.inventory_asking import add
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="What devices are and have.", no_args_is_help=True)
add(app)

Question = Annotated[
    str, typer.Argument(metavar="[QUESTION]", help="As `platform = macOS and os_version < 15.3 and not filevault`.")
]
Columns = Annotated[
    str | None, typer.Option("--columns", metavar="NAMES", help="Attributes to show, with commas between.")
]
Ended = Annotated[bool, typer.Option("--ended", help="Also devices whose connection is over, as last known.")]
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="Its id (UDID), serial number, or connection id.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")]


@app.command("query")
@over_api
def query_inventory(
    session: Session,
    question: Question = "",
    columns: Columns = None,
    ended: Ended = False,
    limit: Limit = 50,
    after: Annotated[str | None, typer.Option("--after", help="Only those behind this id.")] = None,
) -> None:
    """Devices that fit a question.

    `corral inventory attributes` tells what can be asked for.
    """
    page = session.api.pages(
        "/inventory/devices",
        "devices",
        limit,
        "after",
        after=after,
        query=question,
        columns=columns,
        ended=_word(ended),
    )
    session.show(page, _write_devices)


@app.command("count")
@over_api
def count_inventory(session: Session, question: Question = "", ended: Ended = False) -> None:
    """How many devices fit a question."""
    found = session.api.get("/inventory/count", query=question, ended=_word(ended))
    session.show(found, lambda data: print(data["count"]))


@app.command("show")
@over_api
def show_inventory(session: Session, device: Device) -> None:
    """What a device has said of itself, and when."""
    from corral.cli.reach.api import segment

    session.show(session.api.get(f"/devices/{segment(device)}/inventory"), _write_inventory)


@app.command("history")
@over_api
def show_history(
    session: Session,
    device: Annotated[str | None, typer.Argument(metavar="[DEVICE]", help="Without one: of all devices.")] = None,
    limit: Limit = 50,
    before: Annotated[str | None, typer.Option("--before", help="Only those older than this number.")] = None,
) -> None:
    """What has changed, newest first."""
    from corral.cli.reach.api import segment

    path = "/inventory/changes" if device is None else f"/devices/{segment(device)}/inventory/history"
    session.show(session.api.pages(path, "changes", limit, "before", before=before), _write_history)


@app.command("export")
@over_api
def export_inventory(
    session: Session,
    question: Question = "",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; must not exist yet.")] = None,
    columns: Columns = None,
    ended: Ended = False,
    form: Annotated[
        str, typer.Option("--format", help="csv, for spreadsheets, or jsonl: a JSON object a line.")
    ] = "csv",
) -> None:
    """Write the devices that fit a question to a file.

    Without --out they go to standard output.
    """
    from corral.cli.files import open_new

    query = {"query": question, "columns": columns, "ended": _word(ended), "format": form}
    if out is None:
        _copy(session, sys.stdout.buffer, query)
        return
    with session.api.stream("/inventory/export", **query) as answer, open_new(out) as file:
        devices = _write_lines(answer, file, form)
    session.show(
        {"file": str(out), "devices": devices}, lambda found: print(f"{found['devices']:,} devices are in {out}.")
    )


@app.command("apps")
@over_api
def list_apps(
    session: Session,
    identifier: Annotated[str | None, typer.Argument(metavar="[ID]", help="Bundle identifier of one app.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="Another kind of item: profile, certificate, user, ...")] = "app",
    limit: Limit = 100,
    after: Annotated[int, typer.Option("--after", min=0, help="Only those behind this number.")] = 0,
) -> None:
    """Apps, in each of their versions, and how many devices have it.

    Which devices: `corral inventory query "has app ID"`.
    """
    page = session.api.pages("/inventory/items", "items", limit, "after", after=after, kind=kind, identifier=identifier)
    session.show(page, _write_items)


@app.command("attributes")
@over_api
def list_attributes(session: Session) -> None:
    """What can be asked for."""
    session.show(session.api.get("/inventory/attributes"), _write_attributes)


def _word(value: bool) -> str:
    return "true" if value else "false"


def _copy(session: Session, out: IO[bytes], query: dict[str, Any]) -> None:
    with session.api.stream("/inventory/export", **query) as answer:
        for chunk in answer.iter_bytes():
            out.write(chunk)
    out.flush()


def _write_lines(answer: Any, out: IO[str], form: str) -> int:
    """Returns how many devices came; says meanwhile how far it is, where somebody looks."""
    total = int(answer.headers.get("corral-total", 0))
    lines = 0
    for text in answer.iter_text():
        out.write(text)
        lines += text.count("\n")
        if sys.stderr.isatty():
            print(f"\r{lines:,} of {total:,} devices", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return lines - (form == "csv")


def _write_devices(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import hint, print_table

    columns = list(data["devices"][0]["values"]) if data["devices"] else []
    rows = [[_shown(value) for value in each["values"].values()] for each in data["devices"]]
    print_table(columns, rows, "No device fits.")
    if data["next"]:
        hint(f"There are more: add --after {data['next']}, or --limit 0 for all.")


def _write_inventory(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_facts, print_table, say, when_ago

    print_facts((name, _shown(value)) for name, value in data["values"].items())
    if not data["reports"]:
        say(f"Nothing is known of {data['device']} yet.")
        return
    for kind in dict.fromkeys(each["kind"] for each in data["items"]):
        say("")
        rows = [(each["identifier"], each["label"], each["fields"].get("name"), each["user"])
                for each in data["items"] if each["kind"] == kind]  # fmt: skip
        print_table((kind, "state", "name", "user"), rows, "")
    say("")
    reports = [(each["report"], each["user"], when_ago(each["received_at"])) for each in data["reports"]]
    print_table(("report", "user", "came"), reports, "")


def _write_history(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import hint, print_table, when

    rows = [
        (when(each["at"]), each["device"], f"{each['name']} {each['subject']}".rstrip(), each["before"], each["after"])
        for each in data["changes"]
    ]
    print_table(("time", "device", "what", "before", "after"), rows, "Nothing has changed.")
    if data["next"]:
        hint(f"There are more: add --before {data['next']}, or --limit 0 for all.")


def _write_items(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import hint, print_table

    rows = [(each["identifier"], each["name"], each["label"], each["devices"]) for each in data["items"]]
    print_table(("identifier", "name", "state", "devices"), rows, "None is known.")
    if data["next"]:
        hint(f"There are more: add --after {data['next']}, or --limit 0 for all.")


def _write_attributes(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [(each["name"], each["kind"], _titled(each), each["source"]) for each in data["attributes"]]
    rows += [
        (f"{kind['name']}.{each['name']}", each["kind"], f"{kind['title']}: {_titled(each)}", each["source"])
        for kind in data["items"]
        for each in kind["fields"]
    ]
    print_table(("name", "kind", "what", "source"), rows, "")


def _titled(field: dict[str, Any]) -> str:
    return f"{field['title']} [{field['unit']}]" if field["unit"] else field["title"]


def _shown(value: object) -> object:
    return "yes" if value is True else "no" if value is False else value
