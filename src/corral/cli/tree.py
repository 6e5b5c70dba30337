"""All commands of `corral`, and how each of them ends."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer
from typer.main import get_command

from corral import __version__
from corral.cli.failure import ExitCode, Failure

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_EPILOG = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, 4 service not reached or not logged in."
_GROUPS = (
    "enroll", "policy", "ade", "account", "device", "inventory", "command", "profile", "app", "filevault", "push-cert",
    "authority", "token", "role", "user", "audit", "breaker", "events", "webhook",
)  # fmt: skip
_SINGLE = ("installing", "backup", "migrate", "logging_in", "looking", "doctor", "demo", "simulate")


def make_app() -> typer.Typer:
    """The modules above bring their commands with `add(app)`, groups as `app`; each imports lazily what it needs."""
    app = typer.Typer(
        help="Device management for Apple devices.",
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings=_CONTEXT,
    )
    app.callback()(_root)
    for name in _SINGLE:
        if find_spec(f"corral.cli.{name}") is not None:
            import_module(f"corral.cli.{name}").add(app)
    for name in _GROUPS:
        if find_spec(f"corral.cli.{name.replace('-', '_')}") is not None:
            app.add_typer(import_module(f"corral.cli.{name.replace('-', '_')}").app, name=name)
    return app


def run(arguments: Sequence[str]) -> int:
    """Carry a command line out; returns its exit code. Errors are one line on standard error."""
    try:
        ended = get_command(make_app())(args=list(arguments), prog_name="corral", standalone_mode=False)
        sys.stdout.flush()
        return ended if isinstance(ended, int) else ExitCode.OK
    except Failure as failure:
        return _fail(str(failure), failure.code)
    except typer.Abort:
        return _fail("Stopped; nothing was changed.", ExitCode.FAILED)
    except typer.TyperException as error:
        return _fail(_usage(error), ExitCode.USAGE)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain at its end that it cannot flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return 130


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"corral {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    del version


def _usage(error: typer.TyperException) -> str:
    """One line, and where to read on; a group without a command gets its help."""
    message = error.format_message()
    if message.startswith("Usage:"):
        return message
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "corral"
    return f"{' '.join(message.split()).rstrip('.')}. See `{path} --help`."


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
