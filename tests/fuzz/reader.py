"""One reader of what strangers send: how it is called, what it may raise, and good inputs to begin from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

import msgspec


@dataclass(frozen=True, slots=True)
class Reader:
    """`call` takes any bytes; `of` are the functions that it leads to, and `raises` their documented errors.

    A target that reads in several ways keeps their errors to itself, and raises none.
    """

    call: Callable[[bytes], object]
    of: tuple[Callable[..., object], ...]
    raises: tuple[type[Exception], ...]
    samples: Callable[[], Sequence[bytes]]

    @property
    def name(self) -> str:
        return named(self.of[0])

    def read(self, data: bytes) -> bool:
        """Whether it gave a value. Any other exception than the documented ones comes out, and so does a value with
        text in it that nothing could store."""
        try:
            value = self.call(data)
        except self.raises:
            return False
        check_text(value)
        return True


def named(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def reader(
    function: Callable[..., Any],
    *raises: type[Exception],
    samples: Callable[[], Sequence[bytes]],
    call: Callable[[bytes], object] | None = None,
    also: tuple[Callable[..., object], ...] = (),
) -> Reader:
    return Reader(call or function, (function, *also), raises, samples)


def of_text(function: Callable[[str], object], encoding: str = "utf-8") -> Callable[[bytes], object]:
    """What is text when the reader gets it: of a file, or in latin-1 of a header."""
    return lambda data: function(data.decode(encoding, "replace"))


def of_json(function: Callable[[Any], object]) -> Callable[[bytes], object]:
    """What is values of JSON when the reader gets it: what no strict reader of JSON takes never comes so far."""

    def call(data: bytes) -> object:
        try:
            document: Any = msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return function(document)

    return call


def check_text(value: object, depth: int = 6) -> None:
    """Raises UnicodeEncodeError for text that is no UTF-8: no database, log or answer can take it."""
    match value:
        case str():
            value.encode()
        case dict() if depth:
            for key, each in cast(dict[object, object], value).items():
                check_text(key, depth - 1)
                check_text(each, depth - 1)
        case list() | tuple() | set() | frozenset() if depth:
            for each in cast(Sequence[object], value):
                check_text(each, depth - 1)
        case msgspec.Struct() if depth:
            for field in msgspec.structs.fields(value):
                check_text(getattr(value, field.name), depth - 1)
        case _ if depth and is_dataclass(value) and not isinstance(value, type):
            for each in fields(value):
                check_text(getattr(value, each.name), depth - 1)
        case _:
            pass
