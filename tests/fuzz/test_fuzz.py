"""Coverage-guided fuzzing of every reader in the table: a minute in all, five in `make test-long`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.table import ROOMS

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed here")
each_room = pytest.mark.parametrize("room", sorted(ROOMS))


def fuzz(room: str, seconds: int, seed: int) -> None:
    run = subprocess.run(
        [sys.executable, str(HERE / "run.py"), room, str(seconds), str(seed)],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "number_of_executed_units" in run.stderr, "the fuzzer ran"


@pytest.mark.slow
@each_room
def test_no_input_breaks_a_reader(room: str) -> None:
    fuzz(room, 8, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
@each_room
def test_no_input_breaks_a_reader_for_long(room: str) -> None:
    fuzz(room, 60, seed=0)
