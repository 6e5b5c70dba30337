"""Devices listed, a page at a time, by what is asked of them."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

from collections.abc import Mapping

from corral.store import rows
from corral.store.device_listing import FEW, SUPERVISED, WAY, pieces_of, probes_of, values_of
from corral.store.directory import Facts
from corral.store.postgres.connecting import Session
from corral.store.postgres.statements import listed, looked_up, spoken_by
from corral.store.rows import Row

_SHOWN = (
    "SELECT id FROM connection WHERE device_id = d.id ORDER BY"
    " CASE phase WHEN 'connected' THEN 0 WHEN 'ending' THEN 0 WHEN 'authenticating' THEN 1 ELSE 2 END,"
    " created_at DESC, number DESC LIMIT 1"
)
"""The life that stands for a device."""

SEEN = f"(SELECT max(last_seen) FROM contact WHERE {spoken_by('l.id', 'channel_id')})"
OPEN = (
    "(SELECT count(*) FROM channel AS ch JOIN delivery AS q ON q.channel_id = ch.id AND q.state = 'open'"
    " WHERE ch.connection_id = l.id)"
)


def _starting(column: str) -> str:
    """Of $3, in either case: ids, serial numbers and names are compared by their bytes."""
    low = 'lower($3::text COLLATE "C")'
    return f"lower({column}) >= {low} AND lower({column}) < {low} || chr(1114111)"


SEARCHED = (
    f" AND d.id IN (SELECT id FROM device WHERE {_starting('id')}"
    f" UNION SELECT id FROM device WHERE {_starting('serial_number')}"
    f" UNION SELECT id FROM device WHERE {_starting('name')})"
)
_SUMMARIES = (
    f"SELECT {listed(rows.DEVICE, 'd')}, {listed(rows.LIFE, 'l')}, {SEEN}, {OPEN}, {WAY}, {SUPERVISED}"
    f" FROM device AS d LEFT JOIN LATERAL ({_SHOWN}) AS shown ON TRUE LEFT JOIN life AS l ON l.id = shown.id"
    " WHERE d.id > $1"
)
_CONDITIONS = {
    "platform": "d.platform = {0}",
    "os_version": "(d.os_version = {0} OR d.os_version COLLATE \"C\" >= {0} || '.'"
    " AND d.os_version COLLATE \"C\" < {0} || '/')",
    "model": "{0} IN (d.product_name, d.model)",
    "contains": 'd.words LIKE lower({0}::text COLLATE "C")',
    "seen_before": f"{SEEN} < {{0}}",
    "seen_after": f"{SEEN} >= {{0}}",
    "way": f"{WAY} = {{0}}",
    "supervised": f"{SUPERVISED} = {{0}}",
}
"""Of a row of `_SUMMARIES`; `{0}` is what is asked."""

_PAGE = " ORDER BY d.id LIMIT $2"

# Who may fit, and more; each row a device, looked up from the few.
_PROBES = {
    "contains": ("SELECT d.id FROM device AS d WHERE " + _CONDITIONS["contains"].format("$1"), "contains"),
    "seen": (
        "SELECT co.device_id FROM contact AS s CROSS JOIN "
        + looked_up("connection", "device_id", "id = split_part(s.channel_id, '/', 1)", "co")
        + " WHERE s.last_seen >= $1 AND s.last_seen < $2",
        "seen_after seen_before",
    ),
    "way": (
        # The life that a grant is for, and those that came later with a certificate of it.
        "SELECT co.device_id FROM enroll_grant AS g CROSS JOIN "
        + looked_up("connection", "device_id", "id = g.connection_id", "co")
        + " WHERE g.kind = $1 UNION ALL SELECT ce.device_id FROM enroll_grant AS g CROSS JOIN "
        + looked_up("certificate", "device_id", "grant_id = g.id AND device_id IS NOT NULL", "ce")
        + " WHERE g.kind = $1",
        "way",
    ),
    "way_without_grant": (
        "SELECT l.device_id FROM connection AS l"
        f" WHERE (l.admitted_by LIKE 'authority:%' OR l.admitted_by LIKE 'restore:%') AND {WAY} = $1",
        "way",
    ),
    "supervised": (
        "SELECT v.device_id FROM inventory_attribute AS a CROSS JOIN "
        + looked_up("inventory", "device_id", "id = a.inventory_id", "v")
        + " WHERE a.name = 'supervised' AND a.key = $1",
        "supervised",
    ),
}


_MANY = {
    "seen": "SELECT 1 FROM contact WHERE last_seen >= $1 AND last_seen < $2",
    "supervised": "SELECT 1 FROM inventory_attribute WHERE name = 'supervised' AND key = $1",
}
"""Whether there are many is seen by these alone: to look up the devices of thousands for nothing takes longer."""


async def list_devices(
    sql: Session, *, search: str | None, phase: str | None, after: str, limit: int, facts: Facts
) -> list[Row]:
    """Rows for `device_listing.summary`."""
    asked = values_of(facts)
    candidates = await _candidates(sql, facts, search, asked)
    statement = _SUMMARIES
    values: list[object] = [after, limit]
    if search:
        statement += SEARCHED
        values.append(search)

    def bind(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    if phase:
        place = bind(phase)
        if candidates is None:
            statement += f" AND d.id IN (SELECT device_id FROM connection WHERE phase = {place})"
        statement += f" AND l.phase = {place}"
    for name, text in _CONDITIONS.items():
        if getattr(facts, name) is not None:
            statement += f" AND {text.format(bind(asked.get(name, getattr(facts, name))))}"
    if candidates is None:
        return list(await sql.all(statement + _PAGE, *values))
    statement += f" AND d.id = ANY (${len(values) + 1}::text[])"
    found: list[Row] = []
    for piece in pieces_of(candidates, after):
        values[1] = limit - len(found)
        found += await sql.all(statement + _PAGE, *values, piece)
        if len(found) >= limit:
            break
    return found


async def _candidates(sql: Session, facts: Facts, search: str | None, asked: Mapping[str, object]) -> set[str] | None:
    """All devices that can fit, if they are few; None: they may be many."""
    for probe in probes_of(facts, search):
        statement, names = _PROBES[probe]
        values = [asked[name] for name in names.split()]
        if probe in _MANY and await sql.one(f"{_MANY[probe]} LIMIT 1 OFFSET {FEW}", *values) is not None:
            continue
        few = await sql.all(f"{statement} LIMIT {FEW + 1}", *values)
        if len(few) <= FEW:
            return {row[0] for row in few}
    return None
