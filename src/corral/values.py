"""Values made anew for every message of a device: dataclasses that nobody changes, and that are cheap to make."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def frozen(cls: type[T]) -> type[T]: ...
@overload
def frozen(*, kw_only: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T] | None = None, *, kw_only: bool = False) -> type[T] | Callable[[type[T]], type[T]]:
    """As `dataclass(frozen=True, slots=True)`, but that the type checker holds that they stay as they were made.

    Python's own frozen dataclasses hold it at run time, and take four times as long to make for it: a seventh of the
    CPU time of a token update was spent on that.
    """
    make = dataclass(slots=True, unsafe_hash=True, kw_only=kw_only)
    return make if cls is None else make(cls)
