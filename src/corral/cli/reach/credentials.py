"""The stored login of `corral login`: a service, a token, and the authority to trust, readable by its owner only."""

import json
import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from corral.cli.failure import Failure


@dataclass(frozen=True, slots=True)
class Login:
    """`ca`: PEM of the service's own authority; empty where the system's authorities will do."""

    url: str
    token: str = field(repr=False)
    ca: str = ""


def login_file() -> Path:
    """In the folder that XDG has for settings (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "corral" / "credentials.toml"


def read_login() -> Login | None:
    path = login_file()
    try:
        found = tomllib.loads(path.read_text())
        return Login(str(found["url"]), str(found["token"]), str(found.get("ca", "")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError):
        raise Failure(f"Cannot read the login in {path}; log in again with `corral login`.") from None


def write_login(login: Login) -> Path:
    path = login_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            for name, value in (("url", login.url), ("token", login.token), ("ca", login.ca)):
                # A JSON string is a TOML string as well.
                file.write(f"{name} = {json.dumps(value)}\n")
    except OSError as error:
        raise Failure(f"Cannot write {path}: {error.strerror}.") from None
    return path


def forget_login() -> bool:
    """False if there was none."""
    path = login_file()
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed
