"""What the API is given, as far as a type can tell that it fits: numbers and text that both back-ends can hold."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from corral.http.admin.routes import ENDPOINTS
from inprocess import Installation

LARGEST = 2**63 - 1
TAKEN = [(endpoint, part) for endpoint in ENDPOINTS for part in ("body", "query") if part in endpoint.hints]


def numbers(found: Any, path: str, seen: frozenset[type]) -> Iterator[tuple[str, msgspec.inspect.IntType]]:
    """Every integer in what a request may carry, with the way to it."""
    match found:
        case msgspec.inspect.IntType():
            yield path, found
        case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in seen:
            for each in fields:
                yield from numbers(each.type, f"{path}.{each.encode_name}", seen | {cls})
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from numbers(each, path, seen)
        case msgspec.inspect.VarTupleType(item_type=inner) | msgspec.inspect.ListType(item_type=inner):
            yield from numbers(inner, f"{path}[]", seen)
        case msgspec.inspect.DictType(value_type=inner):
            yield from numbers(inner, f"{path}.*", seen)
        case _:
            pass


@pytest.mark.parametrize(("endpoint", "part"), TAKEN, ids=[f"{e.method} {e.path} {part}" for e, part in TAKEN])
def test_a_number_fits_into_64_bits(endpoint: Any, part: str) -> None:
    for path, number in numbers(msgspec.inspect.type_info(endpoint.hints[part]), part, frozenset()):
        assert number.le is not None, f"{path} has no largest value: use Number, or a bound of its own"
        assert number.le <= LARGEST
        assert number.ge is not None, f"{path} has no smallest value"


async def test_a_number_beyond_that_is_told_so(installation: Installation) -> None:
    for path in ("/audit?before={}", "/audit/chain?after={}", "/commands?before={}", "/events?after={}"):
        answer = await installation.api.get(path.format(10**20))
        assert answer.status_code == 422, f"{path}: {answer.text}"
