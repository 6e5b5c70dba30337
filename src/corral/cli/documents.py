"""Documents that people give to commands: JSON, or TOML that says the same."""

from typing import Any


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
