"""Fuzz the readers of one room for some seconds: `python tests/fuzz/run.py ROOM SECONDS SEED`. Exits 0 if nothing was
found. The same seed begins with the same inputs; 0 takes another each time.

The first byte of an input says which reader gets the others. A process of its own, since atheris takes the interpreter
over.
"""

import importlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MEMORY_MB = 1024
atheris: Any = importlib.import_module("atheris")  # it has no types


def main() -> None:
    room, seconds, seed = sys.argv[1:4]
    sys.path.insert(0, str(Path(__file__).parent.parent))
    with atheris.instrument_imports(include=["corral"]):
        table = importlib.import_module("fuzz.table")
    readers: Sequence[Any] = table.ROOMS[room]

    def target(data: bytes) -> None:
        if data:
            readers[data[0] % len(readers)].read(data[1:])

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, reader in enumerate(readers):
            for other, sample in enumerate(reader.samples()):
                (corpus / f"{number}-{other}").write_bytes(bytes((number,)) + sample)
        arguments = [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            "-max_len=65536",
            f"-rss_limit_mb={MEMORY_MB}",
            "-timeout=10",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
        ]
        atheris.Setup(arguments, target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
