"""`corral policy`: who may enroll, and what is told to others."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from corral.cli.documents import read_rules
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="The admission policy: who may enroll.", no_args_is_help=True)


@app.command("show")
@over_api
def show_policy(session: Session) -> None:
    """Show the rules, in their order."""
    session.show(session.api.get("/policy"), _write_policy)


@app.command("set")
@over_api
def set_policy(
    session: Session, file: Annotated[Path, typer.Argument(help="File of the rules, TOML or JSON.")]
) -> None:
    """Replace the rules by those of a file.

    What is wrong with them is told, and changes nothing.
    """
    session.show(session.api.put("/policy", read_rules(file)), _write_policy)


@app.command("test")
@over_api
def try_policy(
    session: Session,
    who: Annotated[str, typer.Argument(help="A device (id or serial number), or a file of a MachineInfo.")],
    way: Annotated[
        str | None, typer.Option("--way", help="One way in: automated, automated-web, link, account-user, ...")
    ] = None,
    account: Annotated[str | None, typer.Option("--account", help="Who would be signed in.")] = None,
) -> None:
    """Say what would be answered to a device by each way in, and why."""
    import base64

    body: dict[str, Any] = {"way": way, "account": account}
    path = Path(who)
    if path.is_file():
        body["machine_info"] = base64.b64encode(path.read_bytes()).decode()
    else:
        body["device"] = who
    session.show(session.api.post("/policy/test", body), _write_trial)


def _write_policy(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table

    rows = [
        (str(number), rule["name"], _said(rule.get("when", {})), rule["then"]["do"], _said(rule["then"]))
        for number, rule in enumerate(data["rules"], 1)
    ]
    print_table(
        ("", "rule", "when", "then", "with"),
        rows,
        "No rules: who is assigned, invited by a link or signed in is admitted, and nobody else.",
    )


def _write_trial(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_table, say

    assigned = "assigned" if data["assigned"] else "not assigned"
    say(f"The device is {assigned}, and {data['standing']} here.")
    if data["must_sign_in"]:
        say("Its profile has a person sign in.")
    ways: list[dict[str, Any]] = data["ways"]
    if len(ways) > 1:
        rows = [(each["way"], _answer(each), each["step"], each["rule"], each["why"]) for each in ways]
        print_table(("way in", "answer", "when", "rule", "why"), rows, "")
    for each in ways:
        if len(ways) == 1:
            say(f"{'Admitted' if each['admitted'] else 'Refused'}: {each['why']}.")
            say(f"  answer    {_answer(each)}, {each['step']}")
            say(f"  rule      {each['rule'] or 'none'}")
        if each["message"] and each["message"] not in [earlier["message"] for earlier in ways[: ways.index(each)]]:
            say(f"  the person reads: {each['message']}")


def _answer(verdict: dict[str, Any]) -> str:
    if verdict["admitted"]:
        return f"profile ({verdict['identity']})" if verdict["identity"] else "profile"
    return f"403 {verdict['document']['code']}" if verdict["document"] is not None else "403"


def _said(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {_words(value)}"
        for key, value in values.items()
        if key not in ("do", "message", "beta_token", "pinning_certificates")
    )


def _words(value: object) -> str:
    return " ".join(map(str, cast(list[object], value))) if isinstance(value, list) else str(value)
