"""PgBouncer in transaction mode in front of the test server, as fleets run it; skips where it is not installed."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from postgres_server import unprivileged

_SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
server_login_retry = 1
ignore_startup_parameters = {ignored}
"""


@contextlib.contextmanager
def pooled(url: str, *, mode: str = "transaction", size: int = 3, ignored: str = "") -> Generator[str]:
    """The URL of the same database through a pooler."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("no PgBouncer: install Debian's pgbouncer")
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen: int = probe.getsockname()[1]
    user = parts.username or getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="corral-pgbouncer-") as folder:
        Path(folder).chmod(0o755)
        settings = Path(folder) / "pgbouncer.ini"
        settings.write_text(
            _SETTINGS.format(
                host=parts.hostname,
                port=parts.port or 5432,
                user=user,
                listen=listen,
                mode=mode,
                size=size,
                ignored=ignored,
            )
        )
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, user=unprivileged(), cwd="/")
        try:
            _wait_for(listen, Path(folder) / "log")
            yield urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{listen}"))
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"PgBouncer did not start: {log.read_text()}") from None
            time.sleep(0.02)
