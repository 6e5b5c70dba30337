"""Values as people write them in a question, each by the kind of the field that it is compared with."""

import re
from datetime import UTC, datetime, timedelta

from corral.apple.inventory.value import LONGEST, Kind, Value, fit
from corral.inventory.question import Age, Literal, Moment, QuestionError
from corral.inventory.words import Word, quoted

_YES, _NO = frozenset({"yes", "true", "on", "1"}), frozenset({"no", "false", "off", "0"})
_SPAN = re.compile(r"([+-]?)([0-9]{1,12})(ms|s|m|h|d|w)")
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_literal(kind: Kind, word: Word) -> Literal:
    """Raises QuestionError for what is no value of this kind."""
    text = word.text
    if len(text) > LONGEST:
        raise QuestionError(f"a value has {LONGEST} characters at most", word.place)
    match kind:
        case Kind.TEXT:
            return fit(text)
        case Kind.VERSION:
            if not any(each.isdecimal() for each in text):
                raise QuestionError(f"{text!r} is no version, as 15.3.1", word.place)
            return fit(text)
        case Kind.YES_NO:
            if text.lower() in _YES:
                return True
            if text.lower() in _NO:
                return False
            raise QuestionError(f"{text!r} is neither yes nor no", word.place)
        case Kind.NUMBER:
            return _number(text, word.place)
        case Kind.TIME:
            return _moment(text) or _time(text, word.place)


def write_literal(kind: Kind, value: Literal) -> str:
    """What `read_literal` reads as the same value."""
    if isinstance(value, Age):
        return _written_span(value.span)
    if isinstance(value, Moment):
        return f"{'-' if value.offset < 0 else '+'}{_written_span(abs(value.offset))}" if value.offset else "now"
    match kind:
        case Kind.YES_NO:
            return "yes" if value else "no"
        case Kind.NUMBER:
            return repr(value)
        case Kind.TIME:
            return _written_time(int(value))
        case Kind.TEXT | Kind.VERSION:
            return quoted(str(value))


def _moment(text: str) -> Age | Moment | None:
    if text.lower() == "now":
        return Moment(0)
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    span = int(found[2]) * _UNITS[found[3]]
    match found[1]:
        case "+":
            return Moment(span)
        case "-":
            return Moment(-span)
        case _:
            return Age(span)


def _written_span(span: int) -> str:
    unit = next(name for name, size in reversed(_UNITS.items()) if span % size == 0)
    return f"{span // _UNITS[unit]}{unit}"


def _number(text: str, place: int) -> Value:
    try:
        if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        if re.fullmatch(r"-?[0-9]{1,300}(\.[0-9]{1,300})?(e[+-]?[0-9]{1,3})?", text):
            number = float(text)
            if abs(number) < 1e300:
                return number
    except ValueError:
        pass
    raise QuestionError(f"{text!r} is no number", place)


def _time(text: str, place: int) -> int:
    """A date is its beginning, in UTC."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        at = (found - _EPOCH) // timedelta(milliseconds=1)
        _written_time(at)  # what cannot be said again in UTC is none
        return at
    except (ValueError, OverflowError):
        kinds = (
            "neither a time, as 2026-09-30 or 2026-09-30T08:00:00Z, nor an age, as 30d, nor a moment, as +30d or now"
        )
        raise QuestionError(f"{text!r} is {kinds}", place) from None


def _written_time(at: int) -> str:
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
