"""What commands over the admin API have in common: how the service is reached, and `--json`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from corral.cli.reach.access import choose

if TYPE_CHECKING:
    from corral.cli.reach.api import Api

_P = ParamSpec("_P")
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

_PARAMETERS: tuple[tuple[str, Any, object], ...] = (
    ("as_json", AsJson, False),
    ("url", Url, None),
    ("token_file", TokenFile, None),
    ("data", Data, None),
    ("ca", Ca, None),
)


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
    groups = {p.name: _fields(p.annotation) for p in own if is_dataclass(p.annotation)}

    def run(**values: Any) -> None:
        from corral.cli.reach.api import Api

        given = {name: values.pop(name) for name, _, _ in _PARAMETERS}
        for name, shared in groups.items():
            kind = signature.parameters[name].annotation
            values[name] = kind(**{each.name: values.pop(each.name) for each in shared})
        access = choose(given["url"], given["token_file"], given["data"], given["ca"])
        with Api(access) as api:
            command(Session(api, given["as_json"]), **values)  # pyright: ignore[reportCallIssue] - by the signature below

    parameters = [
        *(each for p in own for each in groups.get(p.name, [p.replace(kind=p.KEYWORD_ONLY)])),
        *(_parameter(name, kind, default) for name, kind, default in _PARAMETERS),
    ]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = signature.replace(parameters=parameters)  # pyright: ignore[reportFunctionMemberAccess] - read by inspect.signature
    return run


def _fields(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [_parameter(each.name, hints[each.name], each.default) for each in fields(kind)]


def _parameter(name: str, kind: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
