"""The settings file of a data folder: `DATA/corral.toml`."""

import tomllib
from pathlib import Path
from typing import Any

FILE = "corral.toml"


class SettingsError(ValueError):
    """A setting is wrong; one line says which, and what is allowed."""


def read_file(data: Path) -> dict[str, Any]:
    """The settings file of a data folder; paths in it are relative to that folder. Raises SettingsError."""
    path = data / FILE
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not readable TOML: {error}.") from None
    for name in ("data", "sealing_key"):
        if name in values:
            raise SettingsError(f"{path} cannot hold {name}; give it on the command line or in the environment.")
    for name in (
        "admin_socket",
        "tls_certificate",
        "tls_key",
        "apns_ca",
        "ade_ca",
        "attestation_roots",
        "sealing_key_file",
        "oidc_ca",
        "webhook_ca",
        "account_sso",
        "user_file",
        "return_to_service_wifi",
    ):
        if isinstance(values.get(name), str):
            values[name] = data / values[name]
    authorities = values.get("authorities")
    if isinstance(authorities, dict):
        values["authorities"] = {key: data / str(value) for key, value in authorities.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - TOML is untyped
    return values
