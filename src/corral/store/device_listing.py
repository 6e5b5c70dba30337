"""What back-ends have in common when they list devices by what is asked of them.

The page is looked for in the order of ids, which is quick where many devices fit. Where few do, those are found first:
each part of the question that can name its candidates is asked for them, up to `FEW`.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice

from corral.store.directory import DeviceSummary, Facts
from corral.store.rows import DEVICE, LIFE, Row, device, life

FEW = 5_000
"""Where more devices may fit a part of a question, the listing is looked through in its order instead."""
AT_ONCE = 500
"""Candidates that are looked at in one statement."""

RESTORE = "restore"
"""The way of a connection that was taken up again after it was over."""

WAY = (
    "CASE WHEN l.admitted_by LIKE 'grant:%' THEN (SELECT kind FROM enroll_grant WHERE id = substr(l.admitted_by, 7))"
    " WHEN l.admitted_by LIKE 'authority:%' THEN 'trusted-identity' WHEN l.admitted_by LIKE 'restore:%' THEN 'restore'"
    " END"
)
"""How the life `l` came, in SQL; so both back-ends."""
SUPERVISED = (
    "(SELECT a.key FROM inventory AS v JOIN inventory_attribute AS a ON a.inventory_id = v.id AND a.name = 'supervised'"
    " WHERE v.connection_id = l.id)"
)
"""What the device of the life `l` has said of its supervision, in SQL; so both back-ends."""

ESCAPE = "\\"


def probes_of(facts: Facts, search: str | None) -> Sequence[str]:
    """The parts of the question that can name their candidates, by what they are called in each back-end: the first
    that has few is enough. That which reads all devices comes last, and not where the start of a name is known."""
    found = ["supervised"] if facts.supervised is not None else []
    if facts.way is not None:
        found.append("way_without_grant" if facts.way in (RESTORE, "trusted-identity") else "way")
    if facts.seen_before is not None or facts.seen_after is not None:
        found.append("seen")
    if facts.contains is not None and not search:
        found.append("contains")
    return found


def pieces_of(candidates: Set[str], after: str) -> Iterator[list[str]]:
    """Those behind `after`, in the order of the listing."""
    wanted = iter(sorted(each for each in candidates if each > after))
    while piece := list(islice(wanted, AT_ONCE)):
        yield piece


def anywhere(text: str) -> str:
    """A pattern of LIKE for whatever has this text in it. No name has a NUL, at which a pattern would end."""
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return f"%{text.replace(chr(0), chr(0xFFFD))}%"


def values_of(facts: Facts) -> dict[str, object]:
    """What is bound for the parts of a question that are no plain columns; a time that is not given bounds nothing."""
    return {
        "contains": anywhere(facts.contains or ""),
        "seen_after": 0 if facts.seen_after is None else facts.seen_after,
        "seen_before": 2**62 if facts.seen_before is None else facts.seen_before,
        "way": facts.way,
        "supervised": None if facts.supervised is None else str(int(facts.supervised)),
    }


def summary(row: Row) -> DeviceSummary:
    """Of the columns of a device and of a life, when it was seen, how many commands are open, its way, supervised."""
    first, second = len(DEVICE.split()), len(DEVICE.split()) + len(LIFE.split())
    shown = row[first:second]
    last_seen, open_commands, way, supervised = row[second:]
    return DeviceSummary(
        device=device(row[:first]),
        connection=life(shown) if shown[0] is not None else None,
        last_seen=last_seen,
        open_commands=open_commands,
        way=way,
        supervised=None if supervised is None else supervised == "1",
    )


def summaries(found: Iterable[Row]) -> tuple[DeviceSummary, ...]:
    return tuple(map(summary, found))
