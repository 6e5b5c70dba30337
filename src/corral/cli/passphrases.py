"""The passphrase of a backup: from a file, from the environment, or from whoever sits there."""

import os
import sys
from pathlib import Path

import typer

from corral.cli.failure import UsageFailure
from corral.cli.files import read_text

VARIABLE = "CORRAL_BACKUP_PASSPHRASE"
SHORTEST = 12
"""Characters of a new one: whoever has the file can try as many as they like."""


def read_passphrase(file: Path | None, *, new: bool) -> bytes:
    """`new` asks twice, and refuses a short one."""
    given = _given(file)
    if given is None:
        if not sys.stdin.isatty():
            raise UsageFailure(f"Give the passphrase of the backup: --passphrase-file FILE, or {VARIABLE}.")
        given = typer.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=new)
    if new and len(given) < SHORTEST:
        raise UsageFailure(f"The passphrase is shorter than {SHORTEST} characters; several random words are better.")
    if not given:
        raise UsageFailure("The passphrase is empty.")
    return given.encode()


def _given(file: Path | None) -> str | None:
    """The first line of a file, so that an editor's newline does no harm."""
    if file is not None:
        return (read_text(file).splitlines() or [""])[0]
    return os.environ.get(VARIABLE)
