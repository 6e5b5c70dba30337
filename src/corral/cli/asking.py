"""Questions to people, where something cannot be undone."""

import sys

import typer

from corral.cli.failure import UsageFailure


def confirm(question: str, yes: bool) -> None:
    """Returns if the answer is yes, or was given beforehand; else ends the command."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageFailure("Nobody is there to be asked: add --yes.")
    typer.confirm(question, abort=True)
