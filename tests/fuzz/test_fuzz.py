"""Coverage-guided fuzzing of every reader of a stranger's bytes: a minute in all, ten in `make test-long`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGETS = [
    ("pki_targets", "fuzz_ber"),
    ("pki_targets", "fuzz_cms"),
    ("pki_targets", "fuzz_scep"),
    ("acme_targets", "fuzz_acme"),
    ("acme_targets", "fuzz_attestation"),
    ("apple_targets", "fuzz_plist"),
    ("apple_targets", "fuzz_checkin"),
    ("apple_targets", "fuzz_profile"),
    ("apple_targets", "fuzz_report"),
    ("apple_targets", "fuzz_machine_info"),
    ("pki_targets", "fuzz_device_signature"),
]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed here")


def fuzz(module: str, function: str, seconds: int) -> None:
    run = subprocess.run(
        [sys.executable, str(HERE / "run.py"), module, function, str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "number_of_executed_units" in run.stderr, "the fuzzer ran"


@pytest.mark.slow
@pytest.mark.parametrize(("module", "function"), TARGETS)
def test_no_input_breaks_a_reader(module: str, function: str) -> None:
    fuzz(module, function, 10)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("module", "function"), TARGETS)
def test_no_input_breaks_a_reader_for_long(module: str, function: str) -> None:
    fuzz(module, function, 100)
