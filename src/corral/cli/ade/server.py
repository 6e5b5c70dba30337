"""`corral ade server`: device management servers of Apple's portal, and their tokens."""

from pathlib import Path
from typing import Annotated, Any

import typer

from corral.cli.asking import confirm
from corral.cli.files import read_bytes, write_new
from corral.cli.reach.session import Session, over_api

app = typer.Typer(help="Servers in Apple's portal, and their tokens.", no_args_is_help=True)

PORTAL = "https://business.apple.com (or school.apple.com), Preferences, MDM servers"
Name = Annotated[str, typer.Argument(metavar="SERVER", help="Its name here.")]


@app.command("add")
@over_api
def add_server(
    session: Session,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", help="File for its certificate.  [default: NAME.pem]")] = None,
) -> None:
    """Make a key and write its certificate.

    Apple's portal wants the certificate, and gives a token for it.
    """
    made = session.api.post("/ade/servers", {"name": name})
    path = out or Path(f"{name}.pem")
    write_new(path, made["certificate"].encode(), private=False)
    session.show(made | {"file": str(path)}, _write_added)


@app.command("import-token")
@over_api
def import_token(
    session: Session,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The .p7m file from Apple's portal.")],
    force: Annotated[bool, typer.Option("--force", help="Even if it is the token of another server.")] = False,
) -> None:
    """Take a new or renewed token into use."""
    from base64 import b64encode

    body = {"file": b64encode(read_bytes(file, 100_000)).decode(), "force": force}
    session.show(session.api.post(f"{_path(name)}/token", body), _write_imported)


@app.command("list")
@over_api
def list_servers(session: Session) -> None:
    """Servers, their tokens, their last synchronization."""
    session.show(session.api.get("/ade/servers"), _write_list)


@app.command("show")
@over_api
def show_server(
    session: Session,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", help="Write its certificate to this file.")] = None,
) -> None:
    """One server, with all that Apple says of it."""
    found = session.api.get(_path(name))
    if out is not None:
        write_new(out, found["certificate"].encode(), private=False)
    session.show(found, _write_server)


@app.command("remove")
@over_api
def remove_server(
    session: Session, name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Forget a server, its devices and profiles.

    Nothing changes at Apple: devices keep the profile that they have there.
    """
    confirm(f"Forget server {name}, its key, token, devices, profiles and rules?", yes)
    session.api.delete(_path(name))
    session.show({"server": name, "removed": True}, lambda found: print(f"Server {found['server']} is forgotten."))


@app.command("register-discovery")
@over_api
def register_discovery(
    session: Session,
    name: Name,
    discovery: Annotated[
        str, typer.Argument(metavar="DISCOVERY-URL", help="https://HOST/PATH of the discovery document.")
    ],
) -> None:
    """Tell Apple where account-driven enrollment is found.

    Devices ask there when the domain of an account does not answer itself.
    """
    session.api.post(f"{_path(name)}/discovery", {"url": discovery})
    session.show({"server": name, "url": discovery}, lambda found: print(f"Apple sends devices to {found['url']}."))


def _path(name: str) -> str:
    from corral.cli.reach.api import segment

    return f"/ade/servers/{segment(name)}"


def _write_added(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say

    say(
        f"The certificate is in {data['file']}; its key stays in the installation.",
        f"Add an MDM server at {PORTAL}: upload the certificate there, download the token, and",
        f"import it: corral ade server import-token {data['name']} TOKEN.p7m",
    )


def _write_imported(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import say, when

    say(
        f"{data['name']} is {data['server_name']} of {data['org_name']}; its token is good until"
        f" {when(data['token_expires_at'])}.",
        "Its devices come with the next synchronization; `corral ade sync` does it now.",
    )


def _write_list(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import ago, print_table

    rows = [
        (
            each["name"],
            each["org_name"],
            each["server_name"],
            ago(each["token_expires_at"]) if each["has_token"] else "no token yet",
            ago(each["synced_at"]),
            each["default_profile"],
            each["problem"],
        )
        for each in data["servers"]
    ]
    columns = ("server", "organization", "at Apple", "token expires", "synchronized", "default profile", "problem")
    print_table(columns, rows, "No server. `corral ade server add NAME` makes one.")


def _write_server(data: dict[str, Any]) -> None:
    from corral.cli.pages.writing import print_facts, when_ago

    print_facts(
        [
            ("server", data["name"]),
            ("organization", data["org_name"]),
            ("at Apple", data["server_name"]),
            ("id at Apple", data["server_uuid"]),
            ("token made by", data["admin_id"]),
            ("token expires", when_ago(data["token_expires_at"]) or "no token yet"),
            ("default profile", data["default_profile"]),
            ("synchronized", when_ago(data["synced_at"]) or "never"),
            ("all devices fetched", when_ago(data["fetched_at"]) or "never"),
            ("problem", data["problem"]),
        ]
    )
