"""Every reader of bytes, text or documents that somebody else has written. `unread` finds what is missing here."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

import corral
from fuzz import acme_readers, apple_readers, outside_readers, people_readers, pki_readers
from fuzz.reader import Reader, named

ROOMS: Mapping[str, tuple[Reader, ...]] = {
    "acme": acme_readers.READERS,
    "apple": apple_readers.READERS,
    "outside": outside_readers.READERS,
    "people": people_readers.READERS,
    "pki": pki_readers.READERS,
}
READERS: tuple[Reader, ...] = tuple(each for room in sorted(ROOMS) for each in ROOMS[room])

ELSEWHERE: Mapping[str, str] = {
    "corral.apns.client.PushClient.load": "takes what push_certificate.read has read",
    "corral.cli.command_keys.read_keys": "gives each value to read_value",
    "corral.http.server.open_tcp": "takes an address of the settings",
    "corral.inventory.merging.read_fields": "reads a row that the same module has written",
    "corral.pki.own_key.read_own_key": "reads what the service has made and sealed itself",
    "corral.service.access.credentials.Credentials.verify": "looks the digest of a token up; test_doors.py",
    "corral.service.access.sessions.UserSessions.open": "opens a session, and reads nothing",
    "corral.service.accounts.sessions.Sessions.verify": "looks the digest of a token up; test_doors.py",
    "corral.service.enrollment.applicants.Applicants.open": "DeviceTrust.open, and read_machine_info of that",
    "corral.service.commands.commanding.Commanding.judge": "judges a command that read_raw has read",
    "corral.service.kept_profile.read_kept": "reads a row that the same module has written",
    "corral.settings.settings.read_settings": "settings are the operator's own; wrong ones are told: test_settings.py",
}
"""Functions that are named like readers and stand in no room, and why."""

_SOURCE = Path(corral.__file__).parent
_OWN = frozenset(("store", "wiring", "worker", "simulator"))
"""Floors that read nothing of others: rows that this program has written, and the other side as tests play it."""

_VERBS = frozenset(
    ("read", "parse", "decode", "open", "load", "verify", "decrypt", "repair", "judge", "classify", "feed", "from")
)
_GIVEN = ("bytes", "str", "object", "BinaryIO", "IO[")


def known() -> frozenset[str]:
    return frozenset(named(function) for each in READERS for function in each.of)


def unread() -> list[str]:
    """Public functions and methods that are given something to read, by their name and what they take, and that stand
    neither in the table nor among those that are elsewhere."""
    return sorted(named_like_readers() - known() - ELSEWHERE.keys())


def named_like_readers() -> frozenset[str]:
    return frozenset(_found())


def _found() -> Iterator[str]:
    for file in sorted(_SOURCE.rglob("*.py")):
        if file.relative_to(_SOURCE).parts[0] in _OWN:
            continue
        parts = file.relative_to(_SOURCE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(file.read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for each in node.body:
                    if _reads(each):
                        yield f"{module}.{node.name}.{each.name}"
            elif _reads(node):
                yield f"{module}.{node.name}"


def _reads(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
        return False
    given = [each.annotation for each in (*node.args.args, *node.args.kwonlyargs) if each.annotation is not None]
    takes = " ".join(ast.unparse(each) for each in given)
    return not _VERBS.isdisjoint(node.name.split("_")) and any(each in takes for each in _GIVEN)
