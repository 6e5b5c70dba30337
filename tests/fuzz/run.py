"""Fuzz one reader for some seconds: `python tests/fuzz/run.py MODULE FUNCTION SECONDS`. Exits 0 if nothing was found.

A process of its own, since atheris takes the interpreter over.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris

MEMORY_MB = 1024


def main() -> None:
    module_name, function_name, seconds = sys.argv[1:4]
    sys.path.insert(0, str(Path(__file__).parent))
    with atheris.instrument_imports(include=["corral"]):
        module = importlib.import_module(module_name)
    target = getattr(module, function_name)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        seeds = getattr(module, "seeds", lambda _: [])  # some readers need none
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
        atheris.Setup(arguments, lambda data: target(bytes(data)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
