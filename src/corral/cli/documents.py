"""Documents that people give to commands: JSON, or TOML that says the same."""

from pathlib import Path
from typing import Any

from corral.cli.failure import UsageFailure
from corral.cli.files import read_text


def read_document(text: str, *, or_toml: bool = False) -> Any:
    """What the API can be sent. Raises ValueError, in one line: for NaN and lone surrogates too, which are no JSON."""
    import tomllib

    import msgspec

    try:
        if or_toml and not text.lstrip().startswith("{"):
            # Its dates are text in JSON.
            return msgspec.json.decode(msgspec.json.encode(tomllib.loads(text)))
        return msgspec.json.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None


def read_rules(file: Path) -> dict[str, Any]:
    """A file of rules; raises UsageFailure for one that is neither."""
    try:
        return read_document(read_text(file), or_toml=True)
    except ValueError as error:
        raise UsageFailure(f"{file} is neither TOML nor JSON: {error}.") from None
