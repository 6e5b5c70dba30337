"""Whatever a stranger sends, a reader gives a value or its own error, in bounded time and memory: each of the table, by
inputs that are wrong in many ways."""

import base64
import resource
import time
from collections.abc import Generator
from itertools import islice
from pathlib import Path

import pytest

from corral.apple.checkin import read_checkin
from fuzz import table
from fuzz.mutating import Mutations
from fuzz.reader import Reader, named
from fuzz.table import ELSEWHERE, READERS

INPUTS = 400
SECONDS = 0.15
"""That one reader gets, whatever comes first; and the time that one input may take, of the processor."""
SLOWEST = 1.0
MEMORY = 768 * 1024 * 1024
"""Bytes that all of this may take beside what the process has already."""

pytestmark = pytest.mark.filterwarnings("ignore")  # a library may think what it likes of an odd certificate

each_reader = pytest.mark.parametrize("reader", READERS, ids=[each.name.removeprefix("corral.") for each in READERS])


@pytest.fixture(scope="module", autouse=True)
def bounded_memory() -> Generator[None]:
    """Who asks for more gets a MemoryError, which no reader documents."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_reader_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """That none is, tests/test_floors.py looks after."""
    missing = named(read_checkin)
    monkeypatch.setattr(table, "known", lambda: frozenset(named(f) for r in READERS for f in r.of) - {missing})
    assert missing in table.unread()


def test_nothing_stands_in_two_places() -> None:
    functions = [named(function) for each in READERS for function in each.of]
    assert sorted(functions) == sorted(set(functions))
    assert not ELSEWHERE.keys() & set(functions)
    assert set(ELSEWHERE) <= table.named_like_readers(), "what is elsewhere is there no more"


@each_reader
def test_good_samples_are_read(reader: Reader) -> None:
    """Else what is made of them would never come further than the first check."""
    samples = reader.samples()
    assert samples
    assert any(reader.read(each) for each in samples)


@each_reader
def test_nothing_breaks_a_reader(reader: Reader) -> None:
    attack(reader, 0, INPUTS, SECONDS)


@pytest.mark.long
@each_reader
def test_nothing_breaks_a_reader_for_long(reader: Reader) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")
    attack(reader, seed, 10**9, 4.0)


def attack(reader: Reader, seed: int, inputs: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    for data in islice(Mutations(reader.samples(), (reader.name, seed)), inputs):
        began = time.thread_time()
        try:
            reader.read(data)
            took = time.thread_time() - began
            assert took < SLOWEST, f"{took:.1f} s for {len(data)} bytes"
        except BaseException as error:
            error.add_note(f"{reader.name} was given base64 of {base64.b64encode(data[:6000]).decode()}")
            raise
        if time.monotonic() > end:
            break
