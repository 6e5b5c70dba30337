"""What commands over the admin API have in common: how the service is reached, and `--json`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeVar, cast, get_type_hints

import typer

from corral.cli.reach.access import choose

if TYPE_CHECKING:
    from corral.cli.reach.api import Api

_P = ParamSpec("_P")
_T = TypeVar("_T")
_PANEL = "Service"

Url = Annotated[
    str | None, typer.Option("--url", help="Service to talk to, https://HOST[:PORT].", rich_help_panel=_PANEL)
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File of the token for --url.", rich_help_panel=_PANEL)
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder of the installation on this machine.", rich_help_panel=_PANEL),
]
Ca = Annotated[
    Path | None, typer.Option("--ca", help="PEM file of an authority to trust for --url.", rich_help_panel=_PANEL)
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


@dataclass(frozen=True, slots=True)
class _Options:
    """What every command over the admin API takes beside its own."""

    as_json: AsJson = False
    url: Url = None
    token_file: TokenFile = None
    data: Data = None
    ca: Ca = None


@dataclass(frozen=True, slots=True)
class Session:
    api: "Api"
    as_json: bool

    def show(self, data: dict[str, Any], write: Callable[[dict[str, Any]], None]) -> None:
        """As JSON, or as `write` tells people."""
        if self.as_json:
            from corral.cli.pages.writing import print_json

            print_json(data)
        else:
            write(data)


def over_api(command: Callable[Concatenate[Session, _P], None]) -> Callable[..., None]:
    """A command that gets a Session first; the options that make one are added to its own.

    A parameter whose type is a dataclass stands for its fields, which many commands share.
    """
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    groups: dict[str, Any] = {p.name: p.annotation for p in own if is_dataclass(p.annotation)}

    def run(**values: Any) -> None:
        from corral.cli.reach.api import Api

        options = _taken(_Options, values)
        values |= {name: _taken(kind, values) for name, kind in groups.items()}
        access = choose(options.url, options.token_file, options.data, options.ca)
        with Api(access) as api:
            command(Session(api, options.as_json), **values)  # pyright: ignore[reportCallIssue] - by the signature below

    expanded = (_fields(p.annotation) if p.name in groups else [p.replace(kind=p.KEYWORD_ONLY)] for p in own)
    parameters = [*chain.from_iterable(expanded), *_fields(_Options)]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportFunctionMemberAccess] - read by inspect.signature
    return run


def _fields(kind: Any) -> list[inspect.Parameter]:
    """The options of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(kind)
    ]


def _taken(kind: Callable[..., _T], values: dict[str, Any]) -> _T:
    """A dataclass of its options, which are taken out of the values of a command."""
    return kind(**{each.name: values.pop(each.name) for each in fields(cast("Any", kind))})
