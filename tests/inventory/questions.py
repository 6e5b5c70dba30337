"""Questions and fleets of every shape, over few values, so that they meet."""

from typing import Any

from hypothesis import strategies as st

from corral.apple.inventory.value import Kind, Value
from corral.inventory.fields import FIELDS, ITEM_FIELDS, Field
from corral.inventory.question import Age, And, Compare, Has, IsKnown, Moment, Not, OneOf, Operator, Or, Question

NOW = 1_790_000_000_000

TEXTS = ["mac", "Mac", "MAC-1", "com.example.x", "straße", "STRASSE", "a b", 'q"\\', "and", "", "0", "é", "\U0001f34e"]
VERSIONS = ["15", "15.0", "15.3", "15.10", "15.3.1", "2.0b1", "2.0", "2.0b2", "2", "1.2.3-rc.4", "0", "15.3 (a)"]
NUMBERS: list[int | float] = [0, 1, -1, 0.5, -0.5, 64, 1e16, 2**53, -0.0, 953.67411804199219]
TIMES = [NOW - 1, NOW, NOW + 1, NOW - 86_400_000, 1, 0]
AGES = [Age(1), Age(86_400_000), Age(86_400_001), Age(7 * 86_400_000)]
MOMENTS = [Moment(0), Moment(1), Moment(86_400_000), Moment(-86_400_000)]

_VALUES: dict[Kind, list[Any]] = {
    Kind.TEXT: TEXTS,
    Kind.VERSION: VERSIONS,
    Kind.NUMBER: NUMBERS,
    Kind.TIME: TIMES,
    Kind.YES_NO: [True, False],
}
_DEVICE = ("os_version", "name", "serial", "capacity", "supervised", "filevault", "cloud_backup_at", "carrier_settings")
_OWN = ("state", "last_seen", "enrolled_at", "reported.availableosupdates", "has_filevault_key", "has_unlock_token")
_ITEMS = {"app": ("identifier", "version", "beta", "name"), "certificate": ("fingerprint", "not_after", "identity")}


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that can be kept: empty text is none."""
    return st.sampled_from([each for each in _VALUES[kind] if each != ""])


@st.composite
def questions(draw: st.DrawFn, scope: str = "", depth: int = 3) -> Question:
    shapes = ["compare", "compare", "one-of", "known"]
    if depth:
        shapes += ["not", "and", "or", *([] if scope else ["has", "has"])]
    shape = draw(st.sampled_from(shapes))
    match shape:
        case "not":
            return Not(draw(questions(scope, depth - 1)))
        case "and" | "or":
            parts = draw(st.lists(questions(scope, depth - 1), min_size=2, max_size=3))
            return And(tuple(parts)) if shape == "and" else Or(tuple(parts))
        case "has":
            kind = draw(st.sampled_from(sorted(_ITEMS)))
            return Has(kind, draw(st.none() | questions(kind, depth - 1)))
        case _:
            return draw(_terms(scope, shape))


@st.composite
def _terms(draw: st.DrawFn, scope: str, shape: str) -> Question:
    names = _ITEMS[scope] if scope else _DEVICE + _OWN
    field = (ITEM_FIELDS[scope] if scope else FIELDS)[draw(st.sampled_from(names))]
    known = st.sampled_from(field.values or _VALUES[field.kind])
    if shape == "known":
        return IsKnown(field.name, scope)
    if shape == "one-of":
        return OneOf(field.name, tuple(draw(st.lists(known, min_size=1, max_size=3))), scope)
    operator = draw(st.sampled_from(_operators(field)))
    value = draw(known)
    if field.kind is Kind.TIME and operator not in (Operator.EQUAL, Operator.DIFFERENT):
        value = draw(known | st.sampled_from(MOMENTS if field.ahead else [*AGES, *MOMENTS]))
    return Compare(field.name, operator, value, scope)


def _operators(field: Field) -> list[Operator]:
    match field.kind:
        case Kind.YES_NO:
            return [Operator.EQUAL, Operator.DIFFERENT]
        case Kind.TEXT:
            return list(Operator)
        case _:
            return [each for each in Operator if each is not Operator.CONTAINS]


@st.composite
def devices(draw: st.DrawFn) -> dict[str, Value]:
    """Attributes of a device, of which some are not known."""
    return {name: draw(values(FIELDS[name].kind)) for name in draw(st.sets(st.sampled_from(_DEVICE)))}


@st.composite
def items(draw: st.DrawFn) -> list[tuple[str, dict[str, Value]]]:
    found = list[tuple[str, dict[str, Value]]]()
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(sorted(_ITEMS)))
        names = draw(st.sets(st.sampled_from(_ITEMS[kind]))) | {_ITEMS[kind][0]}
        found.append((kind, {name: draw(values(ITEM_FIELDS[kind][name].kind)) for name in sorted(names)}))
    return found
