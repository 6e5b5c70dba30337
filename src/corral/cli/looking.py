"""`status`: the installation as a whole."""

from typing import Any

import typer

from corral.cli.reach.session import Session, over_api


def add(app: typer.Typer) -> None:
    app.command()(over_api(status))


def status(session: Session) -> None:
    """The service on one page."""
    session.show(session.api.get("/status"), _write_status)


def _write_status(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, print_facts, print_table, say, when

    phases: dict[str, int] = data["connections"]
    shown = ", ".join(f"{phases[name]:,} {name}" for name in _PHASES if phases.get(name)) or "none yet"
    breaker = data["breaker_opened_at"]
    print_facts(
        (
            ("Corral", data["version"]),
            ("Connections", shown),
            ("Authority", f"{data['authority']['subject']}, until {when(data['authority']['not_after'])}"),
            ("Breaker", f"OPEN since {when(breaker)}: see `corral breaker show`" if breaker else "closed"),
        )
    )
    say("")
    topics: dict[str, int] = data["topics"]
    held = {each["topic"] for each in data["push_certificates"]}
    rows = [
        (each["topic"], each["apple_account"], ago(each["not_after"]), topics.get(each["topic"], 0), each["stopped"])
        for each in data["push_certificates"]
    ]
    rows += [(topic, "", "", n, "no certificate") for topic, n in topics.items() if topic and topic not in held]
    print_table(
        ("push topic", "Apple Account", "expires", "channels", "problem"),
        rows,
        "No push certificate yet: begin with `corral push-cert request`.",
    )


_PHASES = ("connected", "authenticating", "ending", "ended")
