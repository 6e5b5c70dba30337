"""`corral audit`: who did what, and whether that is still all of it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.files import open_new
from corral.cli.moments import moment
from corral.cli.reach.session import AsJson, Session, over_api

if TYPE_CHECKING:
    from corral.store.audit import End, Linked

app = typer.Typer(help="The audit trail: who did what.", no_args_is_help=True)

PAGE = 1000
MOST_OF_A_LINE = 64 * 1024
_Expect = Annotated[
    str | None,
    typer.Option("--expect", metavar="PLACE:LINK", help="An entry as an earlier `corral audit verify` printed it."),
]


@app.command("list")
@over_api
def list_audit(
    session: Session,
    actor: Annotated[str | None, typer.Option("--actor", help="Name or id of who did it.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Id of a device.")] = None,
    what: Annotated[str | None, typer.Option("--what", help="Type of an event, such as device.blocked.")] = None,
    operation: Annotated[str | None, typer.Option("--operation", help="Operation of the API.")] = None,
    outcome: Annotated[str | None, typer.Option("--outcome", help="done, refused or failed.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Not what is older.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only what is older.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 50,
    before: Annotated[str | None, typer.Option("--before", help="Only those older than this number.")] = None,
) -> None:
    """Who did what, newest first."""
    query: dict[str, Any] = {
        "actor": actor,
        "device": device,
        "what": what,
        "operation": operation,
        "outcome": outcome,
        "since": _time("--since", since),
        "until": _time("--until", until),
    }
    session.show(session.api.pages("/audit", "entries", limit, "before", before=before, **query), _write_list)


@app.command("export")
@over_api
def export_audit(
    session: Session, out: Annotated[Path, typer.Option("--out", help="File to write; must not exist yet.")]
) -> None:
    """Write the whole trail as JSON lines.

    The first line tells where it begins and ends. `corral audit verify-export FILE` checks it anywhere.
    """
    first = session.api.get("/audit/chain", limit=1)
    last = first["head"]["place"] if first["head"] is not None else 0
    count = 0
    with open_new(out) as file:
        _write_line(file, {"corral_audit": 1, "anchor": first["anchor"], "head": first["head"]})
        for each in _entries(session, first["anchor"]["place"] if first["anchor"] is not None else 0, last):
            _write_line(file, each)
            count += 1
    session.show({"file": str(out), "entries": count}, lambda found: print(f"{found['entries']} entries are in {out}."))


@app.command("verify")
@over_api
def verify_audit(session: Session, expect: _Expect = None) -> None:
    """Check that nothing of the trail was changed or taken away.

    Each entry is linked to the one before it. Keep what this prints somewhere else: who can rewrite everything here can
    link it anew, but not to that.
    """
    verdict = session.api.get("/audit/verification")
    if expect is not None:
        place, link = _expected(expect)
        found = session.api.get("/audit/chain", after=max(place - 1, 0), limit=1)["entries"]
        _add_unexpected(verdict, place, link, found[0] if found else None)
    session.show(verdict, _write_verdict)
    if not verdict["holds"]:
        raise typer.Exit(ExitCode.FAILED)


@app.command("verify-export")
def verify_export(
    file: Annotated[Path, typer.Argument(help="What `corral audit export` wrote.")],
    expect: _Expect = None,
    as_json: AsJson = False,
) -> None:
    """The same for an export, without any service."""
    from corral.service.access.audit import Walk

    head, anchor, entries = _read_export(file)
    walk = Walk(anchor)
    wanted, seen = _expected(expect) if expect is not None else None, None
    for each in entries:
        walk.take([each])
        if wanted is not None and each.place == wanted[0]:
            seen = {"link": each.link.hex(), "content": each.columns}
    walk.arrive(head)
    verdict: dict[str, Any] = {
        "holds": not walk.breaks,
        "entries": walk.entries,
        "waiting": 0,
        "head": {"place": walk.at.place, "link": walk.at.link.hex()},
        "breaks": [{"place": each.place, "why": each.why} for each in walk.breaks],
    }
    if wanted is not None:
        _add_unexpected(verdict, *wanted, seen)
    if as_json:
        from corral.cli.pages.writing import print_json

        print_json(verdict)
    else:
        _write_verdict(verdict)
    if not verdict["holds"]:
        raise typer.Exit(ExitCode.FAILED)


def _entries(session: Session, after: int, last: int) -> Iterator[dict[str, Any]]:
    while after < last:
        page = session.api.get("/audit/chain", after=after, limit=PAGE)["entries"]
        if not page:
            return
        for each in page:
            after = each["content"][0]
            if after > last:
                return
            yield each


def _read_export(path: Path) -> "tuple[End | None, End, Iterator[Linked]]":
    """The head, the anchor, and the entries as they come."""
    from corral.store.audit import End, Linked

    def end(found: Any) -> End:
        return End(int(found["place"]), bytes.fromhex(found["link"]))

    def entries() -> Iterator[Linked]:
        with path.open(encoding="utf-8") as file:
            next(file, None)
            for number, line in enumerate(file, 2):
                try:
                    each = json.loads(line)
                    yield Linked(int(each["content"][0]), tuple(each["content"]), bytes.fromhex(each["link"]))
                except (ValueError, KeyError, TypeError, IndexError):
                    raise Failure(f"{path}, line {number}, is no entry of an audit trail.") from None

    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline(MOST_OF_A_LINE))
        if first["corral_audit"] != 1:
            raise ValueError
        return (end(first["head"]) if first["head"] is not None else None), end(first["anchor"]), entries()
    except OSError as error:
        raise Failure(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{path} is no export of an audit trail.") from None


def _expected(text: str) -> tuple[int, str]:
    place, _, link = text.partition(":")
    if not place.isdecimal() or len(link) != 64:
        raise UsageFailure("--expect takes PLACE:LINK, as `corral audit verify` prints it.")
    return int(place), link.lower()


def _add_unexpected(verdict: dict[str, Any], place: int, link: str, found: Mapping[str, Any] | None) -> None:
    if found is None or found["content"][0] != place or found["link"] != link:
        verdict["holds"] = False
        verdict["breaks"].append({"place": place, "why": "this entry is not the one that was expected"})


def _write_line(file: IO[str], value: Any) -> None:
    file.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _time(option: str, text: str | None) -> str | None:
    given = moment(option, text, "at", "in")
    if text is not None and "at" not in given:
        raise UsageFailure(f"{option} takes a time, such as 2026-12-31T12:00.")
    return given.get("at")


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import hint, print_table, when

    rows = [
        (
            when(each["at"]),
            each["actor"]["name"],
            each["actor"]["address"] or each["actor"]["kind"],
            each["outcome"],
            each["what"],
            _on_what(each["device_id"], each["data"]),
        )
        for each in data["entries"]
    ]
    print_table(("time", "who", "from", "outcome", "what", "on what, or why"), rows, "Nothing has been done yet.")
    if data["next"]:
        hint(f"There are more: add --before {data['next']}, or --limit 0 for all.")


def _on_what(device: str | None, data: Mapping[str, Any]) -> str:
    """The command if it was one, the devices, and the reason; else the first thing that the entry names."""
    first = device or data.get("device") or next(iter(data.get("devices") or ()), "")
    more = data.get("count", 1) - 1
    parts = (
        data.get("request_type"),
        f"{first} and {more:,} more" if first and more > 0 else first,
        data.get("reason") or data.get("detail"),
    )
    others = (value for name, value in data.items() if name not in ("by", "count") and isinstance(value, str))
    return ", ".join(filter(None, parts)) or next(filter(None, others), "")


def _write_verdict(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import count

    for each in data["breaks"]:
        print(f"Entry {each['place']}: {each['why']}.")
    said = "holds" if data["holds"] else "does NOT hold"
    waiting = f"; {data['waiting']} more wait to be linked" if data["waiting"] else ""
    print(f"The trail {said}: {count(data['entries'], 'entry', 'entries')} looked at{waiting}.")
    if data["head"] is not None:
        print(f"It ends at {data['head']['place']}:{data['head']['link']}")
