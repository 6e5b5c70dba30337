"""The types of all events that the code writes, read from the code itself.

An event is made by `Event(type=...)`, or by a function that hands on a parameter of its own as the type (`_tell`,
`life_event`): such a function makes events as well, and its calls are looked at in the same way. A type is a string,
one of two strings, a name that was assigned those in the same function, or an f-string over a member of Consequence.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corral.lifecycle.state import Consequence

SOURCE = Path(__file__).parent.parent.parent / "src" / "corral"

READS_BACK = SOURCE / "store" / "rows.py"
"""Makes events of stored rows, of whatever type they are."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class UntoldType(Exception):
    """A place makes an event whose type cannot be read from the code."""


@dataclass(frozen=True, slots=True)
class Maker:
    """A function that makes events: the type is its argument of this name, or at this place."""

    keyword: str
    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """A call within a function (None: outside of all)."""

    call: ast.Call
    function: _Function | None


def used() -> dict[str, str]:
    """The types, each with one place that writes it. Raises UntoldType."""
    found: dict[str, str] = {}
    shared = {"Event": Maker("type", -1)}
    trees = {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py")) if path != READS_BACK}
    for tree in trees.values():  # functions of one module that others import
        shared |= {name: maker for name, maker in _makers(tree, shared).items() if not name.startswith("_")}
    for path, tree in trees.items():
        makers = _makers(tree, shared)
        for each in _calls(tree):
            maker = makers.get(_name(each.call))
            given = None if maker is None else _given(each.call, maker)
            if given is None or _is_handed_on(given, each.function):
                continue
            place = f"{path.relative_to(SOURCE)}:{each.call.lineno}"
            types = list(_types(given, each.function))
            if not types:
                raise UntoldType(f"{place}: {ast.unparse(given)}")
            found |= dict.fromkeys(types, place)
    return found


def _makers(tree: ast.Module, shared: dict[str, Maker]) -> dict[str, Maker]:
    """What makes events in this module, until nothing more is found."""
    makers = dict(shared)
    while True:
        before = len(makers)
        for each in _calls(tree):
            maker, function = makers.get(_name(each.call)), each.function
            given = None if maker is None else _given(each.call, maker)
            if function is None or not isinstance(given, ast.Name) or not _is_handed_on(given, function):
                continue
            names = [argument.arg for argument in function.args.args if argument.arg != "self"]
            makers[function.name] = Maker(given.id, names.index(given.id) if given.id in names else -1)
        if len(makers) == before:
            return makers


def _calls(node: ast.AST, function: _Function | None = None) -> Iterator[Call]:
    for child in ast.iter_child_nodes(node):
        inside = child if isinstance(child, _Function) else function
        if isinstance(child, ast.Call):
            yield Call(child, function)
        yield from _calls(child, inside)


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
        case _:
            return ""


def _given(call: ast.Call, maker: Maker) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == maker.keyword:
            return keyword.value
    return call.args[maker.position] if 0 <= maker.position < len(call.args) else None


def _is_handed_on(given: ast.expr, function: _Function | None) -> bool:
    if function is None or not isinstance(given, ast.Name):
        return False
    arguments = function.args
    return given.id in {each.arg for each in (*arguments.args, *arguments.kwonlyargs)}


def _types(given: ast.expr, function: _Function | None) -> Iterator[str]:
    match given:
        case ast.Constant(value=str(value)):
            yield value
        case ast.IfExp(body=first, orelse=second):
            yield from _types(first, function)
            yield from _types(second, function)
        case ast.Name(id=name) if function is not None:
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                    yield from _types(node.value, function)
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), ast.FormattedValue(value=value)]):
            if ast.unparse(value).endswith("consequence.value"):
                yield from (start + each.value for each in Consequence if each is not Consequence.PLAIN)
        case _:
            return
