"""Fuzz one reader for some seconds: `python tests/fuzz/run.py MODULE FUNCTION SECONDS`. Exits 0 if nothing was found.

A process of its own, since atheris takes the interpreter over.
"""

import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MEMORY_MB = 1024
atheris: Any = importlib.import_module("atheris")  # it has no types


def main() -> None:
    module_name, function_name, seconds = sys.argv[1:4]
    sys.path.insert(0, str(Path(__file__).parent))
    with atheris.instrument_imports(include=["corral"]):
        module = importlib.import_module(module_name)
    target: Callable[[bytes], None] = getattr(module, function_name)
    seeds: Callable[[str], Sequence[bytes]] = getattr(module, "seeds", no_seeds)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(seeds(function_name)):
            (corpus / str(number)).write_bytes(seed)
        arguments = [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={seconds}",
            "-max_len=65536",
            f"-rss_limit_mb={MEMORY_MB}",
            "-timeout=10",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
        ]
        atheris.Setup(arguments, target)
        atheris.Fuzz()


def no_seeds(function_name: str) -> Sequence[bytes]:
    """Some readers need none to start from."""
    del function_name
    return ()


if __name__ == "__main__":
    main()
