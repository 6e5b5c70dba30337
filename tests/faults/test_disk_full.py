"""No room in the database: devices are told to come again until there is some, and nothing that was taken is lost."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from faults.stage import Stage, stage
from postgres_server import Server, execute, unprivileged

_SAY_FULL = """
CREATE FUNCTION say_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
END $$;
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['result', 'delivery', 'device', 'event'] LOOP
        EXECUTE format('CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON %I EXECUTE FUNCTION say_full()', name);
    END LOOP;
END $$
"""


@pytest.fixture
def small(server: Server) -> Generator[Path]:
    """A file system of its own, with a tablespace `small` in it."""
    place = Path(tempfile.mkdtemp(prefix="corral-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        place.rmdir()
        pytest.skip("only who may mount a small file system can fill it")
    try:
        space = place / "space"
        space.mkdir(0o700)
        shutil.chown(space, unprivileged() or space.stat().st_uid)
        execute(server.url, f"CREATE TABLESPACE small LOCATION '{space}'")
        yield place
    finally:
        server.stop()
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


async def test_its_file_system_is_full(server: Server, small: Path, tmp_path: Path) -> None:
    execute(server.url, "CREATE DATABASE corral TEMPLATE template0 TABLESPACE small")
    ballast = small / "ballast"
    async with stage(tmp_path, server.url.replace("/postgres", "/corral")) as on_stage:

        @asynccontextmanager
        async def full() -> AsyncGenerator[None]:
            await asyncio.to_thread(_fill, ballast)
            await _is_refused(on_stage)
            yield
            ballast.unlink()

        await on_stage.endure(full)


async def test_it_says_that_its_disk_is_full(server: Server, tmp_path: Path) -> None:
    """The same where nothing can be mounted: tables that say what PostgreSQL says then."""
    async with stage(tmp_path, server.url) as on_stage:

        @asynccontextmanager
        async def full() -> AsyncGenerator[None]:
            await on_stage.execute(_SAY_FULL)
            await _is_refused(on_stage)
            yield
            await on_stage.execute("DROP FUNCTION say_full CASCADE")

        await on_stage.endure(full)


async def _is_refused(on_stage: Stage) -> None:
    refused = on_stage.field.ledger.refused
    await on_stage.turns_red("its disk is full; make room")
    await asyncio.sleep(1)
    assert on_stage.field.ledger.refused > refused


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
