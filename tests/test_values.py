"""Values that are cheap to make behave as frozen dataclasses do, but for what the type checker holds."""

from dataclasses import field, replace

import pytest

from corral.values import frozen


@frozen
class Pair:
    left: int
    right: str = field(default="x", repr=False)


@frozen(kw_only=True)
class Named:
    name: str


def test_they_are_equal_hashed_shown_and_replaced_by_their_fields() -> None:
    assert Pair(1) == Pair(1, "x") != Pair(2)
    assert {Pair(1): "found"}[Pair(1)] == "found"
    assert repr(Pair(1, "secret")) == "Pair(left=1)"
    assert replace(Pair(1), right="y") == Pair(1, "y")
    match Pair(3):
        case Pair(left, right):
            assert (left, right) == (3, "x")


def test_fields_are_named_where_that_is_asked_for() -> None:
    assert Named(name="a") == Named(name="a")
    with pytest.raises(TypeError):
        Named("a")  # pyright: ignore[reportCallIssue] - that is what is looked at


def test_nothing_but_its_fields_has_a_place() -> None:
    with pytest.raises(AttributeError):
        Pair(1).other = 2  # pyright: ignore[reportAttributeAccessIssue] - so is this
