"""`corral simulate`: many devices against any service that Apple's devices could enroll with, for load and trials."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from corral.cli.failure import ExitCode, Failure, UsageFailure

if TYPE_CHECKING:
    from corral.simulator.fleet import Tally

ALONE = ("poll", "token-change", "restore-same-device", "leave")
"""Scenarios that devices play without anybody who asks the service."""


def add(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Enrollment link or profile URL (https://...), or a profile file; none: only make the files."
        ),
    ] = None,
    devices: Annotated[int, typer.Option("--devices", min=1, max=100_000, help="How many.")] = 10,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", help="What they do once enrolled; may be repeated. `list` shows all.  [poll]"),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0, max=86_400, help="How long `poll` goes round; 0: once.")
    ] = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, max=1024, help="Devices at a time.")] = 64,
    keys: Annotated[
        int, typer.Option("--keys", min=0, help="Distinct private keys, since one takes 45 ms; 0: one a device.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="The same devices for the same number.")] = 0,
    proof: Annotated[
        Literal["profile", "rfc9440", "escaped-pem"],
        typer.Option("--proof", help="How devices prove who they are: as the profile says, or as a proxy would tell."),
    ] = "profile",
    header: Annotated[str, typer.Option("--header", help="The proxy's header, for --proof.")] = "Client-Cert",
    ca: Annotated[Path | None, typer.Option("--ca", help="PEM file of an authority that the devices trust.")] = None,
    push: Annotated[
        str | None, typer.Option("--push", metavar="HOST:PORT", help="Serve a stand-in for Apple's push service there.")
    ] = None,
    push_files: Annotated[
        Path | None,
        typer.Option(
            "--push-files",
            help="Folder for its authority (apns.pem, for `apns_ca`) and one of its push certificates (push.pem, "
            "push.key, for `push-cert import`); made once and kept for the next run.",
        ),
    ] = None,
    acme_files: Annotated[
        Path | None,
        typer.Option(
            "--acme-files",
            help="Folder for the authority that attests the devices' keys, for profiles by ACME (attestation.pem, for "
            "`attestation_roots`); made once and kept for the next run.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option("--url", help="Corral's admin API, for scenarios that need it.")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="File of the token for --url.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Or the installation on this machine.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Enroll simulated devices and have them do something; exits with 1 if any of it failed."""
    from corral.cli.reach.access import choose
    from corral.simulator.scenarios import SCENARIOS

    names = scenario or ["poll"]
    if "list" in names:
        for each in SCENARIOS.values():
            print(f"{each.name:20}  {each.title}{'' if each.name in ALONE else ' (needs --url or --data)'}")
        return
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise UsageFailure(f"There is no scenario {unknown[0]}; `--scenario list` shows all.")
    from corral.cli.simulating import Plan, make_acme_files, make_push_files, run

    if source is None:
        if push_files is None and acme_files is None:
            raise UsageFailure("Name an enrollment link or a profile; or --push-files or --acme-files, to make these.")
        if push_files is not None:
            make_push_files(push_files)
        if acme_files is not None:
            make_acme_files(acme_files)
        return
    if not source.startswith(("https://", "http://")) and not Path(source).is_file():
        raise UsageFailure(f"{source} is neither a URL nor a file.")

    plan = Plan(
        source=source,
        devices=devices,
        scenarios=tuple(names),
        seconds=seconds,
        concurrency=concurrency,
        keys=keys,
        seed=seed,
        proxy_form=None if proof == "profile" else proof,
        proxy_header=header,
        ca=ca,
        push=push,
        push_files=push_files,
        acme_files=acme_files,
        access=choose(url, token_file, data, ca) if url or data else None,
    )
    tallies = asyncio.run(run(plan))
    _report(tallies, as_json)
    if any(tally.failed for tally in tallies):
        raise Failure("Not everything went as it should; see above.", ExitCode.FAILED)


def _report(tallies: "list[Tally]", as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "what": tally.what,
                "done": tally.done,
                "failed": tally.failed,
                "seconds": round(tally.seconds, 3),
                "per_second": round(tally.per_second, 1),
                "p50_ms": round(tally.percentile(0.5) * 1000, 2),
                "p99_ms": round(tally.percentile(0.99) * 1000, 2),
                "failures": dict(tally.failures),
            }
            for tally in tallies
        ]
        print(json.dumps(rows, indent=2))
        return
    for tally in tallies:
        print(
            f"{tally.what}: {tally.done} done, {tally.failed} failed in {tally.seconds:.1f} s "
            f"({tally.per_second:.0f}/s, p50 {tally.percentile(0.5) * 1000:.1f} ms, "
            f"p99 {tally.percentile(0.99) * 1000:.1f} ms)"
        )
        for reason, count in tally.failures.most_common(5):
            print(f"  {count} times: {reason}")
