"""Devices listed, a page at a time, by what is asked of them."""

# ruff: noqa: S608 - statements are put together of this module's own words; values are always bound

import json

from corral.store import rows
from corral.store.device_listing import ESCAPE, FEW, SUPERVISED, WAY, pieces_of, probes_of, values_of
from corral.store.directory import ANY, Facts
from corral.store.sqlite.connecting import Row, Sql
from corral.store.sqlite.statements import select

LAST_CHARACTER = "\U0010ffff"

_SHOWN = (
    "(SELECT rowid FROM connection WHERE device_id = d.id ORDER BY"
    " CASE phase WHEN 'connected' THEN 0 WHEN 'ending' THEN 0 WHEN 'authenticating' THEN 1 ELSE 2 END,"
    " created_at DESC, rowid DESC LIMIT 1)"
)
"""The row of the life that stands for a device."""

SEEN = (
    "(SELECT max(last_seen) FROM contact WHERE channel_id = l.id"
    " OR (channel_id > l.id || '/' AND channel_id < l.id || '0'))"
)
OPEN = (
    "(SELECT count(*) FROM channel AS ch CROSS JOIN delivery AS q ON q.channel_id = ch.id AND q.state = 'open'"
    " WHERE ch.connection_id = l.id)"
)
"""CROSS JOIN keeps the order: while a fleet has an open command, all of those would be read for each device."""
TEXTS = ("id", "serial_number", "name", "product_name", "model")
SEARCHED = (
    " AND d.id IN (SELECT id FROM device WHERE id COLLATE NOCASE >= :low AND id COLLATE NOCASE < :high"
    " UNION SELECT id FROM device WHERE serial_number COLLATE NOCASE >= :low AND serial_number COLLATE NOCASE < :high"
    " UNION SELECT id FROM device WHERE name COLLATE NOCASE >= :low AND name COLLATE NOCASE < :high)"
)
_SHOWN_IN_PHASE = " AND l.phase = :phase"
_IN_PHASE = " AND d.id IN (SELECT device_id FROM connection WHERE phase = :phase)" + _SHOWN_IN_PHASE
_INDEXED = {
    "platform": " AND d.platform = :platform",
    "os_version": " AND (d.os_version = :os_version OR d.os_version >= :os_version || '.'"
    " AND d.os_version < :os_version || '/')",
    "model": " AND :model IN (d.product_name, d.model)",
}
_OTHER = {
    "contains": " AND (" + " OR ".join(f"d.{each} LIKE :contains ESCAPE '{ESCAPE}'" for each in TEXTS) + ")",
    "seen_before": f" AND {SEEN} < :seen_before",
    "seen_after": f" AND {SEEN} >= :seen_after",
    "way": f" AND {WAY} = :way",
    "supervised": f" AND {SUPERVISED} = :supervised",
}
_AMONG = " AND d.id IN (SELECT value FROM json_each(:candidates))"
_BY_FACTS = " INDEXED BY device_facts"
"""It has them all, in the order of the listing. Left to itself, SQLite reads every device for them."""

# Who may fit, and more; each row a device. CROSS JOIN keeps the order: from the few to their devices.
_PROBES = {
    "contains": "SELECT d.id FROM device AS d NOT INDEXED WHERE TRUE" + _OTHER["contains"],
    "seen": "SELECT co.device_id FROM contact AS s CROSS JOIN connection AS co"
    " ON co.id = substr(s.channel_id, 1, instr(s.channel_id || '/', '/') - 1)"
    " WHERE s.last_seen >= :seen_after AND s.last_seen < :seen_before",
    # The life that a grant is for, and those that came later with a certificate of it.
    "way": "SELECT co.device_id FROM enroll_grant AS g CROSS JOIN connection AS co ON co.id = g.connection_id"
    " WHERE g.kind = :way UNION ALL"
    " SELECT ce.device_id FROM enroll_grant AS g CROSS JOIN certificate AS ce ON ce.grant_id = g.id"
    " WHERE g.kind = :way AND ce.device_id IS NOT NULL",
    "way_without_grant": "SELECT l.device_id FROM connection AS l INDEXED BY connection_without_grant"
    f" WHERE substr(l.admitted_by, 1, 6) <> 'grant:' AND {WAY} = :way",
    "supervised": "SELECT v.device_id FROM inventory_attribute AS a CROSS JOIN inventory AS v ON v.id = a.inventory_id"
    " WHERE a.name = 'supervised' AND a.key = :supervised",
}


_MANY = {
    "seen": "SELECT 1 FROM contact WHERE last_seen >= :seen_after AND last_seen < :seen_before",
    "supervised": "SELECT 1 FROM inventory_attribute WHERE name = 'supervised' AND key = :supervised",
}
"""Whether there are many is seen by these alone: to look up the devices of thousands for nothing takes longer."""


def list_devices(sql: Sql, *, search: str | None, phase: str | None, after: str, limit: int, facts: Facts) -> list[Row]:
    """Rows for `device_listing.summary`."""
    values: dict[str, object] = {
        "after": after,
        "low": search or "",
        "high": (search or "") + LAST_CHARACTER,
        "phase": phase,
        **{name: getattr(facts, name) for name in _INDEXED},
        **values_of(facts),
    }
    conditions = [SEARCHED] if search else []
    conditions += [text for name, text in (_INDEXED | _OTHER).items() if getattr(facts, name) is not None]
    candidates = _candidates(sql, facts, search, values)
    if candidates is None:
        by_facts = any(getattr(facts, name) is not None for name in _INDEXED)
        if phase:
            # Nearly all are connected: a list of those would be made for the few that the facts leave.
            conditions.append(_SHOWN_IN_PHASE if facts != ANY and phase == "connected" else _IN_PHASE)
        statement = _summaries(*conditions, index=_BY_FACTS if by_facts else "")
        return sql.execute(statement, values | {"limit": limit}).fetchall()
    if phase:
        conditions.append(_SHOWN_IN_PHASE)
    statement = _summaries(_AMONG, *conditions)
    found: list[Row] = []
    for piece in pieces_of(candidates, after):
        more = {"candidates": json.dumps(piece), "limit": limit - len(found)}
        found += sql.execute(statement, values | more).fetchall()
        if len(found) >= limit:
            break
    return found


def _candidates(sql: Sql, facts: Facts, search: str | None, values: dict[str, object]) -> set[str] | None:
    """All devices that can fit, if they are few; None: they may be many."""
    for probe in probes_of(facts, search):
        if probe in _MANY and sql.execute(f"{_MANY[probe]} LIMIT 1 OFFSET {FEW}", values).fetchone():
            continue
        few = sql.execute(f"{_PROBES[probe]} LIMIT {FEW + 1}", values).fetchall()
        if len(few) <= FEW:
            return {row[0] for row in few}
    return None


def _summaries(*conditions: str, index: str = "") -> str:
    """Joins the tables of the view `life` itself: as the right side of a LEFT JOIN it would be read whole."""
    columns = select("", d=rows.DEVICE, l=rows.LIFE.removesuffix(" profile"))
    return (
        f"{columns}, coalesce(p.body, x''), {SEEN}, {OPEN}, {WAY}, {SUPERVISED} FROM device AS d{index}"
        f" LEFT JOIN connection AS l ON l.rowid = {_SHOWN} LEFT JOIN profile AS p ON p.id = l.profile_id"
        f" WHERE d.id > :after{''.join(conditions)} ORDER BY d.id LIMIT :limit"
    )
