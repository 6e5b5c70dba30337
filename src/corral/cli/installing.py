"""`init` and `serve`: the two commands that work on the installation itself and not over the API."""

import contextlib
import json
import os
import shutil
import tomllib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corral.cli.failure import Failure, UsageFailure

if TYPE_CHECKING:
    from corral.settings import Settings

DATABASE = "corral.db"
_TRACES = (DATABASE, "sealing.key", "corral.toml")
_PATHS = ("tls_certificate", "tls_key", "apns_ca", "admin_socket", "sealing_key_file")

Data = Annotated[Path | None, typer.Option("--data", help="Data folder.  [default: CORRAL_DATA, or data]")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="sqlite (default), or postgresql://USER:PASSWORD@HOST/NAME.")
]
Pooler = Annotated[
    str | None, typer.Option("--pooler", help="transaction where the database is behind PgBouncer in that mode.")
]
PublicUrl = Annotated[
    str | None, typer.Option("--public-url", metavar="URL", help="How devices reach the service: https://HOST[:PORT].")
]
Listen = Annotated[
    list[str] | None, typer.Option("--listen", metavar="HOST:PORT", help="Address to serve on; may be repeated.")
]
AdminListen = Annotated[
    list[str] | None,
    typer.Option("--admin-listen", metavar="HOST:PORT", help="Address of its own for the admin API; may be repeated."),
]
Tls = Annotated[str | None, typer.Option("--tls", help="own, files, or off (behind a proxy).")]
TlsCertificate = Annotated[Path | None, typer.Option("--tls-certificate", help="PEM file, with the chain.")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="PEM file.")]
Proxy = Annotated[
    list[str] | None, typer.Option("--proxy", metavar="ADDRESS", help="Address of a TLS-terminating proxy to believe.")
]
Identity = Annotated[
    str | None, typer.Option("--identity", help="Where a device's certificate comes from: signature, header or tls.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other setting (docs/settings.md); may be repeated."),
]


def add(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(serve)


def init(
    data: Data = None,
    public_url: PublicUrl = None,
    organization: Annotated[str | None, typer.Option("--organization", help="Who manages: shown on devices.")] = None,
    database: DatabaseUrl = None,
    pooler: Pooler = None,
    listen: Listen = None,
    admin_listen: AdminListen = None,
    tls: Tls = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    identity: Identity = None,
    settings: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """Make a new installation in a data folder.

    It gets a database, a certificate authority, a sealing key and a first admin token, which is shown this once.

    What is given here is written to corral.toml in the data folder, where it can be changed later.
    """
    given = _given(
        {
            "public_url": public_url,
            "organization": organization,
            "database": database,
            "pooler": pooler,
            "listen": listen,
            "admin_listen": admin_listen,
            "tls": tls,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "proxy": proxy,
            "identity": identity,
        },
        settings,
    )
    found = _read({**given, "data": data})
    traces = [name for name in _TRACES if (found.data / name).exists()]
    if traces:
        raise Failure(f"There is an installation in {found.data} already ({', '.join(traces)}); nothing was changed.")
    if "authorities" in given:
        given["authorities"] = {name: str(path.absolute()) for name, path in found.authorities.items()}
    token = _make(found, given)
    if as_json:
        print(json.dumps({"data": str(found.data), "public_url": found.public_url, "token": token}, indent=2))
        return
    where = f"--data {found.data}"
    print(f"Corral is set up in {found.data}, for {found.public_url}.")
    print()
    print("The admin token, which is shown this once; `corral login` asks for it on other machines:")
    print(f"  {token}")
    print()
    print("Next:")
    print(f"  corral serve {where}       starts the service")
    print(f"  corral doctor {where}      tells what is still missing for a first device")
    print(f"  corral push-cert request {where}   begins the one thing that only Apple can give")


def serve(
    data: Data = None,
    listen: Listen = None,
    admin_listen: AdminListen = None,
    public_url: PublicUrl = None,
    tls: Tls = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    proxy: Proxy = None,
    identity: Identity = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that serve; more than one needs PostgreSQL.")
    ] = None,
    settings: Set = None,
) -> None:
    """Run the service.

    Ctrl-C or SIGTERM stops it, when requests under way are answered; SIGHUP reads the TLS files again.
    """
    given = _given(
        {
            "public_url": public_url,
            "listen": listen,
            "admin_listen": admin_listen,
            "tls": tls,
            "tls_certificate": tls_certificate,
            "tls_key": tls_key,
            "proxy": proxy,
            "identity": identity,
            "workers": workers,
        },
        settings,
    )
    place = data or Path(os.environ.get("CORRAL_DATA") or "data")
    elsewhere = "database" in given or "CORRAL_DATABASE" in os.environ
    if not elsewhere and not any((place / name).exists() for name in (DATABASE, "corral.toml")):
        raise Failure(f"There is no installation in {place}; make one with `corral init`.")
    found = _read({**given, "data": data})
    if found.database == "sqlite" and not (found.data / DATABASE).exists():
        raise Failure(f"There is no installation in {found.data}; make one with `corral init`.")
    from corral.serving import run

    with _one_line("Cannot serve"):
        run(found)


def _make(settings: "Settings", given: Mapping[str, Any]) -> str:
    """Everything on the disk; what was made is taken away again if it cannot be made whole."""
    import asyncio

    from corral.app import initialize
    from corral.sealing import make_key_file

    fresh = not settings.data.exists()
    try:
        settings.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        settings.data.chmod(0o700)
    except OSError as error:
        raise Failure(f"Cannot make {settings.data}: {error.strerror}.") from None
    keyed = settings.sealing_key is None
    try:
        with _one_line("Cannot set up"):
            if keyed:
                make_key_file(settings.sealing_key_file)
            _write_file(settings.data / "corral.toml", given)
            return asyncio.run(initialize(settings))
    except Failure:
        if fresh:
            shutil.rmtree(settings.data, ignore_errors=True)
        else:
            for name in (*_TRACES, f"{DATABASE}-wal", f"{DATABASE}-shm"):
                (settings.data / name).unlink(missing_ok=True)
        raise


def _write_file(path: Path, given: Mapping[str, Any]) -> None:
    """TOML that says what was given. JSON's strings, numbers and lists are TOML's as well."""
    lines = ["# Settings of this installation; docs/settings.md has all of them."]
    lines += [f"{name} = {json.dumps(value, default=str)}" for name, value in given.items() if name != "authorities"]
    if "authorities" in given:
        lines += [
            "",
            "[authorities]",
            *(f"{json.dumps(name)} = {json.dumps(path)}" for name, path in given["authorities"].items()),
        ]
    text = "\n".join(lines) + "\n"
    tomllib.loads(text)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _given(flags: Mapping[str, Any], pairs: list[str] | None) -> dict[str, Any]:
    """The settings that the command line names, each once."""
    found = {name: value for name, value in flags.items() if value}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageFailure(f"--set takes NAME=VALUE, not {pair!r}.")
        found[name.strip().replace("-", "_")] = value
    for name in _PATHS:
        if name in found:
            found[name] = Path(found[name]).absolute()
    return found


def _read(flags: Mapping[str, Any]) -> "Settings":
    from corral.settings import SettingsError, read_settings

    try:
        return read_settings(flags)
    except SettingsError as error:
        raise UsageFailure(str(error)) from None


@contextlib.contextmanager
def _one_line(what: str) -> Generator[None]:
    """Turns everything that a start is known to fail with into one line."""
    from corral.sealing import SealError
    from corral.store.errors import StoreRefused, StoreUnavailable

    try:
        yield
    except (StoreRefused, StoreUnavailable, SealError) as error:
        raise Failure(str(error)) from None
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        raise Failure(f"{what}:{name} {error.strerror or error}.") from None
    except ValueError as error:
        raise Failure(f"{what}: {error}.") from None
