"""From `--set KEY=VALUE` to the keys of a command, with the types that Apple's schema gives them."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from corral.cli.documents import read_document
from corral.cli.failure import ExitCode, Failure, UsageFailure
from corral.cli.files import read_bytes
from corral.cli.reach.api import Api, segment


def read_keys(api: Api, request_type: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Keys as the API takes them; raises UsageFailure."""
    given = list(pairs)
    types = _types(api, request_type) if given else dict[str, str]()
    keys: dict[str, Any] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UsageFailure(f"--set takes KEY=VALUE, not {pair!r}.")
        if name in keys:
            raise UsageFailure(f"--set {name} is given twice.")
        keys[name] = read_value(text, types.get(name))
    return keys


def read_value(text: str, kind: str | None) -> Any:
    """`@FILE` is data. JSON counts as such, except where the key is text: a PIN of digits stays text."""
    if text.startswith("@"):
        return {"$data": b64encode(read_bytes(Path(text[1:]), 16 * 1024 * 1024)).decode()}
    if kind == "string":
        return _json(text) if text.startswith('"') and isinstance(_json(text), str) else text
    found = _json(text)
    if kind == "array" and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind == "date" and isinstance(found, str):
        return {"$date": found}
    return found


def _json(text: str) -> Any:
    try:
        return read_document(text)
    except ValueError:
        return text


def _types(api: Api, request_type: str) -> Mapping[str, str]:
    """The type of each key; nothing for a command that the schema does not have."""
    try:
        found = api.get(f"/request-types/{segment(request_type)}")
    except Failure as failure:
        if failure.code is ExitCode.NOT_FOUND:
            return {}
        raise
    return {key["name"]: key["type"] for key in found["keys"]}
