"""`corral app`: in-house apps, from a package to devices and off them again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.aiming import Aim, DryRun
from corral.cli.asking import confirm
from corral.cli.documents import read_document
from corral.cli.failure import ExitCode, UsageFailure
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="In-house apps, by manifest.", no_args_is_help=True)

App = Annotated[str, typer.Argument(metavar="APP", help="Its id; or a bundle id, for the newest of it.")]
Force = Annotated[bool, typer.Option("--force", help="Even if something speaks against it.")]


@app.command("add")
@over_api
def add_app(
    session: Session,
    package: Annotated[
        Path | None, typer.Argument(metavar="[PACKAGE]", help="An .ipa or a .pkg; it is read, not sent.")
    ] = None,
    package_url: Annotated[
        str | None, typer.Option("--package-url", metavar="URL", help="Where devices get this package (https).")
    ] = None,
    manifest_url: Annotated[
        str | None, typer.Option("--manifest-url", metavar="URL", help="Instead: a manifest that you host.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Without a package: mac or mobile.")] = None,
    bundle_id: Annotated[str | None, typer.Option("--bundle-id", help="Not what the package says.")] = None,
    version: Annotated[str | None, typer.Option("--app-version", help="Not what the package says.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Not what the package says.")] = None,
    minimum_os: Annotated[str | None, typer.Option("--minimum-os", help="Not what the package says.")] = None,
) -> None:
    """Keep an app, with a manifest of its package.

    The package itself stays where you host it: devices get it from --package-url, and check it against the digests
    in the manifest.
    """
    body = {
        "kind": kind,
        "bundle_id": bundle_id,
        "version": version,
        "title": title,
        "minimum_os": minimum_os,
        "manifest_url": manifest_url,
    }
    given = {name: value for name, value in body.items() if value is not None}
    if package is not None:
        if package_url is None:
            raise UsageFailure("Give --package-url: the address where devices get this package.")
        given = _described(package, package_url) | given
    elif manifest_url is None:
        raise UsageFailure("Give a package with --package-url, or --manifest-url.")
    missing = [name for name in ("kind", "bundle_id", "version", "title") if not given.get(name)]
    if missing:
        named = ", ".join(f"--{'app-version' if each == 'version' else each.replace('_', '-')}" for each in missing)
        raise UsageFailure(f"Nothing says these; give {named}.")
    session.show(
        session.api.post("/apps", given),
        lambda found: print(f"{found['bundle_id']} {found['version']} is kept as {found['id']}."),
    )


@app.command("list")
@over_api
def list_apps(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 100,
    after: Annotated[str | None, typer.Option("--after", help="Only those behind this id.")] = None,
) -> None:
    """Apps that are kept here."""
    session.show(session.api.pages("/apps", "apps", limit, "after", after=after), _write_list)


@app.command("show")
@over_api
def show_app(session: Session, name: App) -> None:
    """One app, and where its manifest is."""
    session.show(session.api.get(f"/apps/{_segment(name)}"), _write_app)


@app.command("install")
@over_api
def install_app(
    session: Session,
    name: App,
    aim: Aim,
    unmanaged: Annotated[bool, typer.Option("--unmanaged", help="A Mac does not take it under management.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="It stays when the enrollment ends.")] = False,
    configuration: Annotated[
        Path | None, typer.Option("--configuration", metavar="FILE", help="JSON that the app reads.")
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
) -> None:
    """Install an app on devices, or another version of it."""
    body: dict[str, Any] = aim.body()
    body |= {"managed": not unmanaged, "remove_with_enrollment": not keep, "force": force, "dry_run": dry_run}
    if configuration is not None:
        from corral.cli.files import read_text

        try:
            body["configuration"] = read_document(read_text(configuration))
        except ValueError as error:
            raise UsageFailure(f"{configuration} is no JSON: {error}.") from None
    _send(session, f"/apps/{_segment(name)}/install", body)


@app.command("remove")
@over_api
def remove_app(
    session: Session,
    name: App,
    aim: Aim,
    force: Force = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a managed app from devices."""
    body = aim.body() | {"force": force, "dry_run": dry_run}
    _send(session, f"/apps/{_segment(name)}/remove", body)


@app.command("forget")
@over_api
def forget_app(
    session: Session, name: App, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Delete an app here; devices are not touched."""
    confirm(f"Delete {name} here, and its manifest?", yes)
    session.api.delete(f"/apps/{_segment(name)}")
    session.show({"app": name, "forgotten": True}, lambda data: print(f"{data['app']} is forgotten."))


@app.command("device")
@over_api
def show_device(
    session: Session,
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its id, serial number or connection id.")],
) -> None:
    """The managed apps of a device, as it said last."""
    session.show(session.api.get(f"/devices/{_segment(device)}/apps"), _write_device)


def _described(package: Path, url: str) -> dict[str, Any]:
    from corral.cli.packages.package import digest, read_package
    from corral.cli.pages.writing import hint

    facts = read_package(package)
    if facts.remark:
        hint(f"{package}: {facts.remark}.")
    found = digest(package, with_md5=facts.kind == "mobile")
    return {
        "kind": facts.kind,
        "bundle_id": facts.bundle_id,
        "version": facts.version,
        "title": facts.title or package.stem,
        "minimum_os": facts.minimum_os,
        "package": {
            "url": url,
            "size": found.size,
            "chunk_size": found.chunk_size,
            "sha256s": found.sha256s,
            "md5s": found.md5s,
        },
    }


def _send(session: Session, path: str, body: dict[str, Any]) -> None:
    from corral.cli.pages.commands import write_sent

    sent = session.api.post(path, body)
    session.show(sent, write_sent)
    if any(each["verdict"] not in ("queued", "forced", "eligible") for each in sent["devices"]):
        raise typer.Exit(ExitCode.FAILED)


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import clean, hint, print_table, when

    rows = [
        (each["id"], each["kind"], each["bundle_id"], each["version"], each["title"], when(each["created_at"]))
        for each in data["apps"]
    ]
    columns = ("id", "kind", "bundle id", "version", "title", "since")
    print_table(columns, rows, "No app. `corral app add` keeps one.")
    if data["next"]:
        hint(f"There are more: add --after {clean(data['next'])}, or --limit 0 for all.")


def _write_app(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_facts, when

    names = ("id", "kind", "bundle_id", "version", "title", "minimum_os", "manifest_url", "created_by")
    print_facts([(name.replace("_", " "), data[name]) for name in names] + [("since", when(data["created_at"]))])


def _write_device(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, hint, print_table, say

    if data["as_of"] is None:
        hint("It has not told yet: `corral command send DEVICE --type ManagedApplicationList` asks it.")
    else:
        say(f"As it said {ago(data['as_of'])}:")
    rows = [
        (each["bundle_id"], each["status"], "leaves with the enrollment" if (each["flags"] or 0) & 1 else "")
        for each in data["apps"]
    ]
    print_table(("bundle id", "status", ""), rows, "No managed app.")


def _segment(name: str) -> str:
    from corral.cli.reach.api import segment

    return segment(name)
