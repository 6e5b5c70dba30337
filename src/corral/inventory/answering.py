"""Whether a device fits a question: what the databases are held against."""

from collections.abc import Mapping
from operator import eq, ge, gt, le, lt, ne

from corral.apple.inventory.value import Value, key
from corral.inventory.fields import Known
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

_COMPARING = {
    Operator.EQUAL: eq,
    Operator.DIFFERENT: ne,
    Operator.BELOW: lt,
    Operator.AT_MOST: le,
    Operator.ABOVE: gt,
    Operator.AT_LEAST: ge,
}


def fits(question: Question, device: Known, now: int) -> bool:
    """`now` (ms) is what ages count from."""
    return _fits(question, device.values, device, now)


def _fits(question: Question, values: Mapping[str, Value], device: Known, now: int) -> bool:
    """`values` are the fields that are spoken of: the device's, or within `Has` those of an item."""
    match question:
        case Everything():
            return True
        case Not(part):
            return not _fits(part, values, device, now)
        case And(parts):
            return all(_fits(each, values, device, now) for each in parts)
        case Or(parts):
            return any(_fits(each, values, device, now) for each in parts)
        case Has(kind, which):
            items = device.items.get(kind, ())
            return bool(items) if which is None else any(_fits(which, each, device, now) for each in items)
        case IsKnown(field):
            return field in values
        case OneOf(field, several, scope):
            if field not in values:
                return False
            kind = field_of(field, scope).kind
            return key(kind, values[field]) in {key(kind, each) for each in several}
        case Compare(field, operator, value, scope):
            if field not in values:
                return False
            kind = field_of(field, scope).kind
            turned, other = resolved(operator, value, now)
            first, second = key(kind, values[field]), key(kind, other)
            return second in first if turned is Operator.CONTAINS else _COMPARING[turned](first, second)
