"""What is decided about many devices at once, and the verdict for each."""

from typing import Annotated, Any

import typer

from corral.cli.failure import ExitCode
from corral.cli.reach.session import Session

WouldIt = Annotated[bool, typer.Option("--dry-run", help="Only tell for which of them it would be done.")]
Number = Annotated[
    int | None,
    typer.Option("--confirm", min=0, help="How many devices these are: asked of what is dangerous, for many."),
]


def decide(session: Session, verb: str, body: dict[str, Any], *, dry_run: bool, number: int | None = None) -> None:
    """Fails where it was not done for all."""
    asked = body | {"dry_run": dry_run} | ({"confirm": number} if number is not None else {})
    answer = session.api.post(f"/devices/{verb}", asked)
    session.show(answer, _write)
    if any(each["verdict"] not in ("done", "eligible") for each in answer["devices"]):
        raise typer.Exit(ExitCode.FAILED)


def _write(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import clean, count, hint, say

    for each in data["devices"]:
        if each["verdict"] == "eligible":
            say(f"{clean(each['device'])}: it would be done.")
        elif each["verdict"] != "done":
            hint(f"Not for {clean(each['device'])}: {each['problem']}")
    if data["done"]:
        say(f"Done for {count(data['done'], 'device')}.")
