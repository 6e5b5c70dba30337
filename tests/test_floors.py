"""The house: nothing imports upwards, nothing imports in a circle, and no reader is left unfuzzed."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

from fuzz import table

SOURCE = Path(__file__).parent.parent / "src" / "corral"

FLOORS = (
    "apple",
    "pki",
    "dep",
    "inventory",
    "lifecycle",
    "store",
    "apns",
    "outgoing",
    "backup",
    "service",
    "worker",
    "http",
    "tls",
    "tracing",
    "cli",
    "wiring",
    "app",
    "serving",
)
"""Lowest first. A module may import its own floor and those below it."""

PURE = {"apple", "pki", "inventory", "lifecycle"}
IMPURE_MODULES = {"asyncio", "socket", "time", "random", "secrets", "threading", "apsw", "asyncpg", "httpx"}

SIMULATOR_MAY_USE = {"apple", "pki", "simulator"}
ANYBODY_MAY_USE = {"sealing", "logs", "settings", "values"}


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports; `from package import module` is the module's."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {name for name in names if _is_module(name)}
            found |= submodules
            if submodules != names:
                found.add(node.module)
    return found


def _is_module(name: str) -> bool:
    place = SOURCE.parent.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def room(module: str) -> str | None:
    """The floor of a dotted name under corral, or None for anything else."""
    parts = module.split(".")
    return parts[1] if parts[0] == "corral" and len(parts) > 1 else None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_never_go_upwards(path: Path) -> None:
    own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    used = {name for name in map(room, imports(path)) if name is not None} - ANYBODY_MAY_USE
    if own == "simulator":
        assert used <= SIMULATOR_MAY_USE
    elif own in FLOORS:
        allowed = set(FLOORS[: FLOORS.index(own) + 1])
        if own == "cli":
            allowed |= {"app", "serving", "simulator"}  # init, serve, demo and simulate start what they name
        assert used <= allowed, f"{own} must not import {sorted(used - allowed)}"


@pytest.mark.parametrize("path", [p for p in modules() if p.relative_to(SOURCE).parts[0] in PURE], ids=str)
def test_the_pure_floors_have_no_clock_and_no_network(path: Path) -> None:
    assert not imports(path) & IMPURE_MODULES


def test_services_know_no_back_end() -> None:
    for path in modules():
        if path.relative_to(SOURCE).parts[0] in {"service", "worker", "http", "lifecycle"}:
            assert not any(name.startswith(("corral.store.sqlite", "corral.store.postgres")) for name in imports(path))


def test_no_module_imports_in_a_circle() -> None:
    names = {
        ".".join(("corral", *p.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): p
        for p in modules()
    }
    graph = {name: {used for used in imports(path) if used in names and used != name} for name, path in names.items()}
    assert circle(graph) is None


SERVICE = SOURCE / "service"


def room_of_service(module: str) -> str:
    """The room of a dotted name under corral.service; what stands in none is a room of its own."""
    return module.split(".")[2]


def test_no_rooms_of_the_service_import_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in sorted(SERVICE.rglob("*.py")):
        own = path.relative_to(SERVICE).parts[0].removesuffix(".py")
        used = {room_of_service(name) for name in imports(path) if name.startswith("corral.service.")}
        graph.setdefault(own, set()).update(used - {own})
    assert {"enrollment", "mdm", "connections"} <= graph.keys()
    assert circle(graph) is None


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) is None
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == "b -> c -> b"


def test_each_room_of_the_service_says_what_is_in_it() -> None:
    for room in sorted(each for each in SERVICE.iterdir() if any(each.glob("*.py"))):
        said = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
        assert said, room.name


def circle(graph: Mapping[str, set[str]]) -> str | None:
    """One circle of the names, as `a -> b -> a`, or None if there is none."""
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> str | None:
        if name in trail:
            return " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for used in sorted(graph.get(name, ())):
                if found := visit(used, (*trail, name)):
                    return found
            done.add(name)
        return None

    return next(filter(None, (visit(name, ()) for name in sorted(graph))), None)


UNENROLLS = ("lifecycle", "unenroll.py")
CHALLENGES = ("http", "device", "accounts", "challenge.py")
"""Makes a 401 with a challenge, which unenrolls nobody, for the enrollment URLs of accounts."""


def test_the_unenrolling_answers_are_made_in_one_place() -> None:
    """A bare 401 or the unrecognized-device document may come from lifecycle/unenroll.py only."""
    for path in modules():
        relative = path.relative_to(SOURCE)
        if relative.parts[0] in {"simulator", "cli", "apns", "dep"} or relative.parts[:2] == ("http", "admin"):
            continue
        if relative.parts in (UNENROLLS, CHALLENGES):
            continue
        tree = ast.parse(path.read_text())
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value == 401], relative
        if relative.parts != ("apple", "enrollment_error.py"):
            assert "UnrecognizedDevice" not in path.read_text(), relative


def test_the_challenge_is_given_by_enrollment_urls_of_accounts_and_the_gate_only() -> None:
    room = SOURCE.joinpath(*CHALLENGES[:-1])
    given = {path for path in modules() if any(name.endswith("challenge.SIGN_IN") for name in _names(path))}
    assert given == {room / "enrolling.py", room / "gate.py"}


def _names(path: Path) -> set[str]:
    """What a file imports by name, dotted."""
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_whoever_reads_what_others_have_written_is_fuzzed() -> None:
    missing = table.unread()
    assert not missing, f"{missing}: add each to its room in tests/fuzz, or to ELSEWHERE in tests/fuzz/table.py"
