"""A question about devices as a condition of SQL, for both back-ends: values are bound, never written into the text.

`v` is the row of `inventory`, `c` that of its connection.
"""

# ruff: noqa: S608 - made of this module's own words and of names out of the catalog; values are always bound

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeGuard

from corral.apple.inventory.value import Kind, Value, key, text_key
from corral.inventory.fields import FIELDS
from corral.inventory.question import (
    And,
    Compare,
    Everything,
    Has,
    IsKnown,
    Not,
    OneOf,
    Operator,
    Or,
    Question,
    field_of,
    resolved,
)
from corral.lifecycle.state import Instant

Term: TypeAlias = Compare | OneOf | IsKnown | Has
Statement: TypeAlias = tuple[str, list[object]]
"""With its values."""

SEEN = (
    "(SELECT max(last_seen) FROM contact WHERE channel_id >= c.id AND channel_id < c.id || '0'"
    " AND (channel_id = c.id OR channel_id > c.id || '/'))"
)
"""When the device of `c` was heard last, on whichever of its channels."""

FEW = 5_000
"""So many devices that fit one part of a question are looked at one by one."""
WALKED = 2_000
"""Where more do, so many are looked at one by one, in their order, since a page is mostly full by then. If it is not,
what fits each part is gathered from the indexes, and the sets are held against each other; so it is for counting."""
MOST_SETS = 20
"""Parts of a question of which each becomes a set: of one with more all devices are looked at one by one."""
LONGEST = 8.0
"""Seconds that a question may take, with its waiting for others; then it is given up."""
AT_ONCE = 2
"""Questions of one process that are answered at a time."""

IN_ESCROW = (
    "coalesce((SELECT CASE WHEN value IS NULL THEN 0 ELSE 1 END FROM escrow WHERE connection_id = c.id AND kind = '{0}'"
    " ORDER BY id DESC LIMIT 1), 0)"
)
"""1 where the device of `c` has a secret of this kind in escrow: the newest counts, and may have been withdrawn."""

_COLUMNS = {
    "state": "c.phase",
    "enrolled_at": "c.connected_at",
    "last_seen": SEEN,
    **{each.name: IN_ESCROW.format(each.escrow) for each in FIELDS.values() if each.escrow},
}
"""Where the service's own fields are."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a back-end writes the number of a value, `{0}` being one of a list that is bound as a whole (`{1}`), and
    `{0}` having `{1}` in it."""

    place: Callable[[int], str]
    one_of: str
    bind: Callable[[list[str]], object]
    contains: str
    aside: str
    """What keeps a condition on `{0}` from being looked up in an index."""
    before_slash: str
    """What `{0}` has before its first slash."""


@dataclass(slots=True)
class Condition:
    """SQL that grows with its values."""

    dialect: Dialect
    now: Instant
    by_sets: bool = False
    """Whether parts are gathered first, and not looked up for each device."""
    values: list[object] = field(default_factory=list[object])

    def whole(self, question: Question) -> str:
        """True of a device that fits."""
        match question:
            case Everything():
                return "TRUE"
            case Not(part):
                return f"NOT ({self.whole(part)})"
            case And(parts):
                return " AND ".join(f"({self.whole(each)})" for each in parts)
            case Or(parts):
                return " OR ".join(f"({self.whole(each)})" for each in parts)
            case Compare() | OneOf() | IsKnown() if question.field in _COLUMNS:
                return self._column(question)
            case Compare() | OneOf() | IsKnown() | Has() if self.by_sets:
                return f"v.id IN ({self.members(question)})"
            case Compare() | OneOf() | IsKnown() | Has():
                return f"EXISTS ({self.members(question, of_one=True)})"

    def members(self, term: Term, *, of_one: bool = False) -> str:
        """The rows of `inventory` that fit, as a SELECT of their numbers; `of_one`: of the row `v` alone, which is to
        be found by its number, and not by what it is compared with."""
        only = "inventory_id = v.id AND " if of_one else ""
        aside = self.dialect.aside if of_one else "{0}"
        column = aside.format("key")
        if isinstance(term, Has):
            which = "" if term.which is None else f" AND ({self._item(term.which)})"
            return f"SELECT inventory_id FROM inventory_has AS h WHERE {only}h.kind = {self.bind(term.kind)}{which}"
        report = field_of(term.field, term.scope).report
        if report:
            told = self._plainly(term, aside.format("received_at"))
            name = self.bind(report)
            return f"SELECT inventory_id FROM inventory_report WHERE {only}report = {name} AND user_id = ''{told}"
        name = self.bind(term.field)
        return f"SELECT inventory_id FROM inventory_attribute WHERE {only}name = {name}{self._key(term, column)}"

    def _item(self, question: Question) -> str:
        """True of an item `h.item_id`."""
        match question:
            case Not(part):
                return f"NOT ({self._item(part)})"
            case And(parts):
                return " AND ".join(f"({self._item(each)})" for each in parts)
            case Or(parts):
                return " OR ".join(f"({self._item(each)})" for each in parts)
            case Compare() | OneOf() | IsKnown():
                kind, name = self.bind(question.scope), self.bind(question.field)
                key = self._key(question, "key")
                return (
                    f"h.item_id IN (SELECT item_id FROM inventory_item_key WHERE kind = {kind} AND name = {name}{key})"
                )
            case Everything() | Has():
                return "TRUE"

    def _key(self, term: Compare | OneOf | IsKnown, column: str) -> str:
        """` AND ...`, or nothing where it is enough that there is a row."""
        kind = field_of(term.field, term.scope).kind
        match term:
            case IsKnown():
                return ""
            case OneOf(_, several):
                return f" AND {self._in(column, [key(kind, each) for each in several])}"
            case Compare(_, operator, value):
                turned, other = resolved(operator, value, self.now)
                return f" AND {self._compared(column, turned, key(kind, other))}"

    def _column(self, term: Compare | OneOf | IsKnown) -> str:
        return self._seen(term) if self.by_sets and term.field == "last_seen" else self._column_of(term)

    def _column_of(self, term: Compare | OneOf | IsKnown) -> str:
        column = _COLUMNS[term.field]
        if isinstance(term, IsKnown):
            return f"{column} IS NOT NULL"
        return f"coalesce({self._plainly(term, column).removeprefix(' AND ')}, FALSE)"

    def _seen(self, term: Compare | OneOf | IsKnown) -> str:
        """By the sets of those that were heard on any channel since, which is what the latest of several says."""
        # Aside: it is found by its number, and not by going through all of these for each.
        life, heard = self.dialect.aside.format("c.id"), self.dialect.before_slash.format("channel_id")
        lives = f"{life} IN (SELECT {heard} FROM contact"
        match term:
            case Compare(_, operator, value):
                turned, other = resolved(operator, value, self.now)
            case _:
                return self._column_of(term)
        match turned:
            case Operator.ABOVE | Operator.AT_LEAST:
                return f"{lives} WHERE last_seen {turned} {self.bind(int(other))})"
            case Operator.BELOW | Operator.AT_MOST:
                since = ">=" if turned is Operator.BELOW else ">"
                return f"{lives}) AND NOT {lives} WHERE last_seen {since} {self.bind(int(other))})"
            case _:
                return self._column_of(term)

    def _plainly(self, term: Compare | OneOf | IsKnown, column: str) -> str:
        """` AND ...` of a column that holds values as they are, or nothing where it is enough that there is a row."""
        kind = field_of(term.field, "").kind
        match term:
            case IsKnown():
                return ""
            case OneOf(_, several):
                parts = [f"{column} = {self.bind(_plain(kind, each))}" for each in several]
                return f" AND ({' OR '.join(parts)})"
            case Compare(_, operator, value):
                turned, other = resolved(operator, value, self.now)
                return f" AND {self._compared(column, turned, _plain(kind, other))}"

    def _compared(self, column: str, operator: Operator, value: object) -> str:
        place = self.bind(value)
        if operator is Operator.CONTAINS:
            return self.dialect.contains.format(column, place)
        return f"{column} {'<>' if operator is Operator.DIFFERENT else operator.value} {place}"

    def _in(self, column: str, keys: list[str]) -> str:
        return self.dialect.one_of.format(column, self.bind(self.dialect.bind(keys)))

    def bind(self, value: object) -> str:
        self.values.append(value)
        return self.dialect.place(len(self.values))


def _plain(kind: Kind, value: Value) -> object:
    """As the service's own columns have it."""
    return text_key(str(value)) if kind is Kind.TEXT else int(value)


def probes(question: Question, dialect: Dialect, now: Instant) -> list[tuple[Term, Statement]]:
    """Parts of which each must hold, and each of which can be answered by an index; with a statement that counts what
    fits it: at most one more than FEW."""
    found = list[tuple[Term, Statement]]()
    for term in _drivers(question):
        condition = Condition(dialect, now)
        counted = f"SELECT count(*) FROM ({condition.members(term)} LIMIT {FEW + 1}) AS fitting"
        found.append((term, (counted, condition.values)))
    return found


def fewest(counted: Sequence[tuple[Term, int]]) -> Term | None:
    """The part of `probes` to begin with; None where all devices are to be looked at."""
    few = [(number, place) for place, (_, number) in enumerate(counted) if number <= FEW]
    return counted[min(few)[1]][0] if few else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as one or two statements answer it; `first` is what `fewest` says."""

    question: Question
    first: Term | None
    dialect: Dialect
    now: Instant
    ended: bool

    @property
    def in_turn(self) -> bool:
        """Whether devices are looked at one by one first, up to `horizon`, and sets are made for those behind it."""
        return self.first is None and _leaves(self.question) <= MOST_SETS

    def horizon(self, after: str) -> Statement:
        """For the id of the last of the next WALKED devices; no row where there are fewer."""
        place = self.dialect.place(1)
        later = f"SELECT device_id FROM inventory WHERE device_id > {place} ORDER BY device_id"
        return f"{later} LIMIT 1 OFFSET {WALKED - 1}", [after]

    def page(self, after: str, limit: int, until: str | None = None) -> Statement:
        """For the ids of devices that fit, in their order, looked at one by one, beginning with what `fewest` says."""
        condition = Condition(self.dialect, self.now)
        if self.first is not None:
            return self._gathered(condition, after, limit)
        last = "" if until is None else f" AND v.device_id <= {condition.bind(until)}"
        chosen = f"{self._chosen('v.device_id', condition)} AND v.device_id > {condition.bind(after)}{last}"
        return f"{chosen} ORDER BY v.device_id LIMIT {condition.bind(limit)}", condition.values

    def rest(self, after: str, limit: int) -> Statement:
        """The same by sets."""
        return self._gathered(Condition(self.dialect, self.now, by_sets=True), after, limit)

    def _gathered(self, condition: Condition, after: str, limit: int) -> Statement:
        """All that fit first, and then their order: asked for both at once, a database that takes few for many goes
        through all devices in theirs."""
        chosen = f"{self._chosen('v.device_id', condition)} AND v.device_id > {condition.bind(after)}"
        ordered = f"SELECT device_id FROM found ORDER BY device_id LIMIT {condition.bind(limit)}"
        return f"WITH found AS MATERIALIZED ({chosen}) {ordered}", condition.values

    def count(self) -> Statement:
        condition = Condition(self.dialect, self.now, by_sets=self.in_turn)
        return self._chosen("count(*)", condition), condition.values

    def _chosen(self, what: str, condition: Condition) -> str:
        joined = "inventory AS v CROSS JOIN connection AS c WHERE c.id = v.connection_id"
        living = "" if self.ended else " AND c.phase <> 'ended'"
        if self.first is None:
            return f"SELECT {what} FROM {joined}{living} AND ({condition.whole(self.question)})"
        few = condition.members(self.first)
        few = f"WITH few AS MATERIALIZED (SELECT DISTINCT inventory_id FROM ({few}) AS fitting)"
        rest = condition.whole(_without(self.question, self.first))
        return f"{few} SELECT {what} FROM few CROSS JOIN {joined} AND v.id = few.inventory_id{living} AND ({rest})"


def _leaves(question: Question) -> int:
    match question:
        case Not(part):
            return _leaves(part)
        case And(parts) | Or(parts):
            return sum(map(_leaves, parts))
        case _:
            return 1


def _without(question: Question, term: Term) -> Question:
    """What is left to be true of a question where this part of it is."""
    parts = [each for each in question.parts if each is not term] if isinstance(question, And) else []
    return And(tuple(parts)) if parts else Everything()


def _drivers(question: Question) -> list[Term]:
    parts = question.parts if isinstance(question, And) else (question,)
    return [each for each in parts if _is_indexed(each)]


def _is_indexed(part: Question) -> TypeGuard[Term]:
    match part:
        case Compare(field, operator) if field not in _COLUMNS:
            return operator not in (Operator.DIFFERENT, Operator.CONTAINS)
        case OneOf(field):
            return field not in _COLUMNS
        case Has(_, which):
            return which is not None
        case _:
            return False
