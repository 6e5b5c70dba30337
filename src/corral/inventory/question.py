"""A question about devices, as values. A device fits it or does not.

What is not known of a device fits no comparison, `!=` neither; `Not` fits whatever the question in it does not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from corral.apple.inventory.value import Value
from corral.inventory.fields import FIELDS, ITEM_FIELDS, Field

LONGEST = 4000
"""Characters of a question."""
DEEPEST = 20
"""Parentheses and words `not` within each other."""
MOST_TERMS = 200
MOST_VALUES = 1000
"""Of one list."""


class QuestionError(ValueError):
    """What is wrong, in one line, and at which character (from 0) of the question."""

    def __init__(self, what: str, place: int) -> None:
        super().__init__(f"{what} (at character {place + 1})")
        self.what = what
        self.place = place


class Operator(StrEnum):
    EQUAL = "="
    DIFFERENT = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    CONTAINS = "~"


@dataclass(frozen=True, slots=True)
class Age:
    """So long (ms) before the moment of the question. A time is `>` an age when it is longer ago."""

    span: int


@dataclass(frozen=True, slots=True)
class Moment:
    """So long (ms) after the moment of the question, or before it."""

    offset: int


Literal: TypeAlias = Value | Age | Moment


@dataclass(frozen=True, slots=True)
class Compare:
    """`scope`: the kind of item whose field this is, or empty for the device's own."""

    field: str
    operator: Operator
    value: Literal
    scope: str = ""


@dataclass(frozen=True, slots=True)
class OneOf:
    field: str
    values: tuple[Value, ...]
    scope: str = ""


@dataclass(frozen=True, slots=True)
class IsKnown:
    field: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Has:
    """At least one item of this kind that fits, all by itself; `which` None: any."""

    kind: str
    which: "Question | None" = None


@dataclass(frozen=True, slots=True)
class Not:
    part: "Question"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Question", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Question", ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """The empty question."""


Question: TypeAlias = Compare | OneOf | IsKnown | Has | Not | And | Or | Everything


def field_of(name: str, scope: str) -> Field:
    return (ITEM_FIELDS[scope] if scope else FIELDS)[name]


def resolved(operator: Operator, value: Literal, now: int) -> tuple[Operator, Value]:
    """With a moment made a time, or an age, which turns the operator round."""
    if isinstance(value, Age):
        return _TURNED.get(operator, operator), now - value.span
    if isinstance(value, Moment):
        return operator, now + value.offset
    return operator, value


_TURNED = {
    Operator.BELOW: Operator.ABOVE,
    Operator.AT_MOST: Operator.AT_LEAST,
    Operator.ABOVE: Operator.BELOW,
    Operator.AT_LEAST: Operator.AT_MOST,
}
