"""`corral doctor`: what stands between this installation and a first real device."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.databases import is_installation, read_installation
from corral.cli.examining.finding import Finding, Level, fail, ok
from corral.cli.failure import ExitCode, Failure
from corral.cli.reach.access import DEFAULT_DATA, Access, OverHttp, OverSocket, choose
from corral.cli.reach.session import AsJson, Ca, Data, TokenFile, Url


def add(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    data: Data = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    as_json: AsJson = False,
    low_disk: Annotated[int, typer.Option("--low-disk", help="Warn below so many GiB free.", min=1)] = 2,
) -> None:
    """Tell what is missing for a first device.

    On the installation itself (--data) it looks at files and disk too, and works while the service is down.
    """
    from corral.cli.examining import audit, automated, installation, outside, service, webhooks

    findings: list[Finding] = []
    public_url, access = "", None
    place = data or (Path(os.environ["CORRAL_DATA"]) if os.environ.get("CORRAL_DATA") else None)
    if url is None and (place or is_installation(DEFAULT_DATA)):
        place = place or DEFAULT_DATA
        settings = read_installation(place)
        public_url, access = settings.public_url, OverSocket(settings.admin_socket)
        findings += installation.examine(settings, low_disk)
    else:
        access = choose(url, token_file, None, ca)
        public_url = access.url if isinstance(access, OverHttp) else ""
    status, authority, servers, hooks, trail = _ask(access, findings)
    if public_url:
        findings += outside.examine(public_url, authority)
    if status is not None:
        findings += service.examine(status)
        findings += automated.examine(servers, datetime.fromisoformat(status["time"]))
        findings += webhooks.examine(hooks, datetime.fromisoformat(status["time"]))
        findings += audit.examine(trail)
    if as_json:
        from corral.cli.pages.writing import print_json

        print_json({"findings": [each.as_dict() for each in findings]})
    else:
        _write(findings)
    if any(each.level is Level.FAIL for each in findings):
        raise typer.Exit(ExitCode.FAILED)


def _ask(
    access: Access, findings: list[Finding]
) -> tuple[dict[str, Any] | None, str, list[Any], list[Any], dict[str, Any]]:
    """The service's own account of itself, the PEM of its authority, its servers of automated enrollment,
    its webhooks, and the ends of its audit trail.

    A finding where it does not answer.
    """
    from corral.cli.reach.api import Api

    try:
        with Api(access) as api:
            status, authority = api.get("/status"), api.get("/authority")
            servers = api.get("/ade/servers")["servers"]
            hooks = api.get("/webhooks")["webhooks"]
            trail = api.get("/audit/chain", limit=1)
    except Failure as failure:
        what, _, remedy = str(failure).partition("; ")
        findings.append(fail("service", what.rstrip("."), remedy or "see that it runs, and who may ask it."))
        return None, "", [], [], {}
    findings.append(ok("service", f"runs, version {status['version']}"))
    return status, authority["certificate"], servers, hooks, trail


def _write(findings: list[Finding]) -> None:
    from rich.text import Text

    from corral.cli.pages.writing import clean, console

    out = console()
    for each in findings:
        line = Text(f"{each.level:<4}  ", style=_STYLES[each.level])
        line.append(f"{each.subject}: {clean(each.told)}", style="not bold default")
        out.print(line, soft_wrap=True)
        if each.remedy:
            out.print(Text(f"      {clean(each.remedy)}"), soft_wrap=True)


_STYLES = {"ok": "green", "warn": "bold yellow", "fail": "bold red"}
