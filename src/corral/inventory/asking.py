"""From text to a question, and back.

    question = parts joined by `or`, those of parts joined by `and`
    part     = `not` part | `(` question `)` | `has` kind [identifier | `(` question about it `)`] | comparison
    comparison = field [operator value | `in` `(` value, ... `)` | `is` `known` | `is` `unknown`]

A field alone is one of yes or no. `app.version` is a field of an app; all that one row of `and` says of apps so, is
said of one and the same app.
"""

from difflib import get_close_matches

from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.value import Kind, Value
from corral.inventory.fields import FIELDS, ITEM_FIELDS, Field
from corral.inventory.literals import read_literal, write_literal
from corral.inventory.question import (
    DEEPEST,
    MOST_TERMS,
    MOST_VALUES,
    Age,
    And,
    Compare,
    Everything,
    Has,
    IsKnown,
    Literal,
    Moment,
    Not,
    OneOf,
    Operator,
    Or,
    Question,
    QuestionError,
    field_of,
)
from corral.inventory.words import Word, words

_OPERATORS = frozenset(Operator)


def read_question(text: str) -> Question:
    """Raises QuestionError, and nothing else."""
    reader = _Reader(list(words(text)))
    if reader.next.kind == "end":
        return Everything()
    question = reader.question("", 0)
    if reader.next.kind != "end":
        how = "join parts by `and` or `or`, and put text with blanks in quotation marks"
        raise QuestionError(f"{reader.next.text!r} is one too many; {how}", reader.next.place)
    return question


def write_question(question: Question) -> str:
    """Text that `read_question` reads as the same question."""
    match question:
        case Everything():
            return ""
        case Not(part):
            return f"not {_bracketed(part)}"
        case And(parts):
            return " and ".join(map(_bracketed, parts))
        case Or(parts):
            return " or ".join(map(_bracketed, parts))
        case Has(kind, None):
            return f"has {kind}"
        case Has(kind, which):
            assert which is not None
            return f"has {kind} ({write_question(which)})"
        case IsKnown(field):
            return f"{field} is known"
        case OneOf(field, values, scope):
            kind = field_of(field, scope).kind
            return f"{field} in ({', '.join(write_literal(kind, each) for each in values)})"
        case Compare(field, operator, value, scope):
            return f"{field} {operator} {write_literal(field_of(field, scope).kind, value)}"


def _bracketed(part: Question) -> str:
    return f"({write_question(part)})" if isinstance(part, And | Or) else write_question(part)


class _Reader:
    def __init__(self, found: list[Word]) -> None:
        self._words = found
        self._at = 0
        self._terms = 0

    @property
    def next(self) -> Word:
        return self._words[self._at]

    def question(self, scope: str, depth: int) -> Question:
        """Within `has`, `scope` is the kind whose fields are spoken of."""
        if depth > DEEPEST:
            raise QuestionError(f"more than {DEEPEST} levels of parentheses", self.next.place)
        parts = [self._all_of(scope, depth)]
        while self.next.keyword == "or":
            self._take()
            parts.append(self._all_of(scope, depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self, scope: str, depth: int) -> Question:
        parts = list[Question]()
        about = dict[str, int]()
        while True:
            part, dotted = self._part(scope, depth)
            if dotted and isinstance(part, Has) and part.kind in about:
                place = about[part.kind]
                parts[place] = _joined(parts[place], part)
            else:
                if dotted and isinstance(part, Has):
                    about[part.kind] = len(parts)
                parts.append(part)
            if self.next.keyword != "and":
                return parts[0] if len(parts) == 1 else And(tuple(parts))
            self._take()

    def _part(self, scope: str, depth: int) -> tuple[Question, bool]:
        """And whether it is of the form `app.version ...`."""
        word = self._take()
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise QuestionError(f"more than {MOST_TERMS} terms", word.place)
        match word.keyword, word.text if word.kind == "sign" else "":
            case "not", _:
                if depth >= DEEPEST:
                    raise QuestionError(f"more than {DEEPEST} levels of `not`", word.place)
                return Not(self._part(scope, depth + 1)[0]), False
            case "has", _:
                return self._has(scope, depth), False
            case _, "(":
                inner = self.question(scope, depth + 1)
                self._expect(")")
                return inner, False
            case "", _ if word.kind == "bare":
                return self._comparison(word, scope)
            case _:
                what = "something is missing" if word.kind == "end" else f"{word.text!r} is no field"
                raise QuestionError(f"{what}; a part begins with a field, `not`, `has` or a parenthesis", word.place)

    def _has(self, scope: str, depth: int) -> Question:
        word = self._take()
        kind = word.text.lower()
        if scope:
            raise QuestionError(f"a {scope} has no items", word.place)
        if kind not in ITEM_KINDS or word.kind != "bare":
            raise QuestionError(f"{word.text!r} is no kind of item; there are {', '.join(ITEM_KINDS)}", word.place)
        if self.next.kind == "sign" and self.next.text == "(":
            self._take()
            which = self.question(kind, depth + 1)
            self._expect(")")
            return Has(kind, which)
        if self.next.kind == "quoted" or (self.next.kind == "bare" and not self.next.keyword):
            identifier = ITEM_KINDS[kind].identifier
            named = read_literal(ITEM_FIELDS[kind][identifier].kind, self._take())
            return Has(kind, Compare(identifier, Operator.EQUAL, named, kind))
        return Has(kind)

    def _comparison(self, word: Word, scope: str) -> tuple[Question, bool]:
        kind, dot, name = word.text.lower().rpartition(".")
        if not scope and dot and kind in ITEM_FIELDS:
            return Has(kind, self._compared(_field(name, kind, word.place), kind)), True
        return self._compared(_field(word.text.lower(), scope, word.place), scope), False

    def _compared(self, field: Field, scope: str) -> Question:
        word = self.next
        if word.kind == "sign" and word.text in _OPERATORS:
            return self._operated(field, Operator(self._take().text), scope)
        if word.keyword == "in":
            self._take()
            return self._one_of(field, scope)
        if word.keyword == "is":
            self._take()
            known = self._take()
            if known.keyword not in ("known", "unknown"):
                raise QuestionError("`is` goes on with `known` or `unknown`; values are compared by `=`", known.place)
            return IsKnown(field.name, scope) if known.keyword == "known" else Not(IsKnown(field.name, scope))
        if field.kind is Kind.YES_NO:
            return Compare(field.name, Operator.EQUAL, True, scope)
        if word.kind == "end":
            raise QuestionError(f"{field.name} is compared with something, as `{field.name} = ...`", word.place)
        signs = " ".join(each for each in Operator if each is not Operator.CONTAINS or field.kind is Kind.TEXT)
        what = f"{word.text!r} does not compare; {field.name} takes {signs}, `in (...)` and `is known`"
        raise QuestionError(f"{what}; `~` is: has this in it" if field.kind is Kind.TEXT else what, word.place)

    def _operated(self, field: Field, operator: Operator, scope: str) -> Question:
        word = self._value()
        value = self._literal(field, word, whole=operator is not Operator.CONTAINS)
        if operator is Operator.CONTAINS and field.kind is not Kind.TEXT:
            raise QuestionError(f"`~` is for text, and {field.name} is of kind {field.kind}", word.place)
        if operator not in (Operator.EQUAL, Operator.DIFFERENT) and field.kind is Kind.YES_NO:
            raise QuestionError(f"{field.name} is yes or no, and neither is the larger", word.place)
        if operator in (Operator.EQUAL, Operator.DIFFERENT) and isinstance(value, Age | Moment):
            raise QuestionError("ages and moments are compared by `<` or `>`", word.place)
        if field.ahead and isinstance(value, Age):
            what = f"{field.name} lies ahead, and {word.text} is an age"
            raise QuestionError(f"{what}: `< +{word.text}` is in less than that, `< now` is over", word.place)
        return Compare(field.name, operator, value, scope)

    def _one_of(self, field: Field, scope: str) -> Question:
        self._expect("(")
        values = list[Value]()
        while True:
            word = self._value()
            value = self._literal(field, word, whole=True)
            if isinstance(value, Age | Moment):
                raise QuestionError("ages and moments are compared by `<` or `>`", word.place)
            if len(values) >= MOST_VALUES:
                raise QuestionError(f"more than {MOST_VALUES} values", word.place)
            values.append(value)
            if self.next.text != "," or self.next.kind != "sign":
                break
            self._take()
        self._expect(")")
        return OneOf(field.name, tuple(values), scope)

    def _literal(self, field: Field, word: Word, *, whole: bool) -> Literal:
        """`whole`: all of the value, and not a part of it."""
        if whole and word.kind == "bare" and "*" in word.text and field.kind in (Kind.TEXT, Kind.VERSION):
            how = "~ ..." if field.kind is Kind.TEXT else f">= 15 and {field.name} < 16"
            raise QuestionError(
                f"`*` stands for nothing; write `{field.name} {how}`, or it in quotation marks", word.place
            )
        try:
            value = read_literal(field.kind, word)
        except QuestionError as error:
            if field.kind is not Kind.NUMBER:
                raise
            unit = f" ({field.unit})" if field.unit else ""
            raise QuestionError(f"{error.what}; {field.name}: {field.title}{unit}", word.place) from None
        if whole and field.values and str(value).lower() not in map(str.lower, field.values):
            there = ", ".join(field.values).replace("iOS", "iOS (iPadOS too)", 1)
            raise QuestionError(f"{word.text!r} is no {field.name}; there are {there}", word.place)
        return value

    def _value(self) -> Word:
        word = self._take()
        if word.kind not in ("bare", "quoted"):
            raise QuestionError("a value is missing; write text with blanks or signs in quotation marks", word.place)
        return word

    def _expect(self, sign: str) -> None:
        word = self._take()
        if word.kind != "sign" or word.text != sign:
            raise QuestionError(f"`{sign}` is missing", word.place)

    def _take(self) -> Word:
        word = self._words[self._at]
        if word.kind != "end":
            self._at += 1
        return word


def _joined(before: Question, part: Has) -> Question:
    """Two sayings about one item."""
    assert isinstance(before, Has)
    assert before.which is not None
    assert part.which is not None
    first = before.which.parts if isinstance(before.which, And) else (before.which,)
    return Has(part.kind, And((*first, part.which)))


def _field(name: str, scope: str, place: int) -> Field:
    fields = ITEM_FIELDS[scope] if scope else FIELDS
    if name not in fields:
        of = f" of {scope}" if scope else ""
        raise QuestionError(f"{name!r} is no field{of}{_hint(name, scope)}; see `corral inventory attributes`", place)
    return fields[name]


def _hint(name: str, scope: str) -> str:
    """What may have been meant: a kind of item, or up to three fields that the name is a part of or is spelt like."""
    kind = next((each for each in ITEM_KINDS if not scope and name in (each, f"{each}s")), None)
    if kind is not None:
        first = next(iter(ITEM_FIELDS[kind]))
        return f", but a kind of item: `has {kind}`, `{kind}.{first} = ...`"
    fields = ITEM_FIELDS[scope] if scope else FIELDS
    parts = set(name.split("_"))
    found = [each for each in fields if parts <= set(each.split("_"))] or [
        each for each in fields if each.startswith(name)
    ]
    near = (get_close_matches(name, fields, 1, 0.75) + found)[:3]
    if not near:
        return ""
    return f", but {', '.join(dict.fromkeys(near))} {'is' if len(set(near)) == 1 else 'are'}"
