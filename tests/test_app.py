"""How a service is made and wired: every refusal in words, and each app with its own routes only."""

import asyncio
import base64
import contextlib
import secrets
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from corral.app import DATABASE, Corral, build, initialize
from corral.http.asgi import App
from corral.sealing import make_key_file
from corral.settings import Settings, read_settings
from corral.store.errors import StoreRefused
from corral.wiring.ground import ESCROW_KEY

URL = "https://mdm.example.com"
DEVICE_ROUTES = ("/mdm", "/checkin", "/scep?operation=GetCACert", f"/enroll/{'x' * 32}")


def settings_in(data: Path, **more: object) -> Settings:
    return read_settings({"data": data, "public_url": URL, **more})


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """Of an installation that was just made."""
    made = settings_in(tmp_path)
    make_key_file(made.sealing_key_file)
    await initialize(made)
    return made


@pytest.fixture
async def corral(settings: Settings) -> AsyncGenerator[Corral]:
    async with build(settings) as wired:
        yield wired


def client(app: App) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_first_credential_is_good_and_kept_as_a_hash(tmp_path: Path) -> None:
    made = settings_in(tmp_path)
    make_key_file(made.sealing_key_file)
    token = await initialize(made)
    async with build(made) as wired, client(wired.admin_app) as api:
        answer = await api.get("/api/v1/status", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert (await api.get("/api/v1/status")).status_code == 401
    assert token.encode() not in everything_in(tmp_path)


async def test_the_authority_is_the_same_after_a_start_and_bears_the_organizations_name(tmp_path: Path) -> None:
    made = settings_in(tmp_path, organization="Example School")
    make_key_file(made.sealing_key_file)
    await initialize(made)
    ders: list[bytes] = []
    for _ in range(2):
        async with build(made) as wired:
            ders.append(wired.authorities.current.der)
            assert (
                wired.authorities.current.certificate.subject.rfc4514_string() == "CN=Example School Device Authority"
            )
    assert ders[0] == ders[1]


async def test_the_escrow_key_is_made_with_the_installation_and_for_those_of_before_once(settings: Settings) -> None:
    async def key() -> bytes | None:
        async with build(settings) as wired:
            return await wired.store.vault.get_secret(ESCROW_KEY)

    first = await key()
    assert first is not None
    assert await key() == first
    with contextlib.closing(sqlite3.connect(settings.data / DATABASE)) as sql, sql:
        assert sql.execute("DELETE FROM secret WHERE name = ?", (ESCROW_KEY,)).rowcount == 1
    made = await key()
    assert made not in (None, first)
    assert await key() == made


async def test_an_installation_is_made_with_all_its_keys(settings: Settings) -> None:
    with contextlib.closing(sqlite3.connect(settings.data / DATABASE)) as sql:
        before = sql.execute("SELECT * FROM secret ORDER BY name").fetchall()
        async with build(settings):
            pass
        assert sql.execute("SELECT * FROM secret ORDER BY name").fetchall() == before
    assert before


async def test_two_installations_share_nothing(tmp_path: Path) -> None:
    ders: list[bytes] = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made = settings_in(tmp_path / name)
        make_key_file(made.sealing_key_file)
        await initialize(made)
        async with build(made) as wired:
            ders.append(wired.authorities.current.der)
    assert ders[0] != ders[1]
    keys = {(tmp_path / name / "sealing.key").read_text() for name in ("one", "other")}
    assert len(keys) == 2


async def test_another_sealing_key_is_refused(settings: Settings) -> None:
    settings.sealing_key_file.write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
    with pytest.raises(StoreRefused) as refused:
        async with build(settings):
            pass
    assert "key" in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_missing_sealing_key_is_named(settings: Settings) -> None:
    settings.sealing_key_file.unlink()
    with pytest.raises(StoreRefused, match=f"Cannot read the sealing key {settings.sealing_key_file}: No such file"):
        async with build(settings):
            pass


async def test_the_sealing_key_may_come_from_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = settings.sealing_key_file.read_text().strip().splitlines()[-1]
    settings.sealing_key_file.unlink()
    monkeypatch.setenv("CORRAL_SEALING_KEY", key)
    async with build(settings_in(settings.data)) as wired:
        await wired.store.ready()


async def test_a_second_opening_is_refused(settings: Settings, corral: Corral) -> None:
    with pytest.raises(StoreRefused, match="in use by another Corral"):
        async with build(settings):
            pass
    await corral.store.ready()


async def test_a_folder_without_a_database_is_refused(tmp_path: Path) -> None:
    made = settings_in(tmp_path)
    make_key_file(made.sealing_key_file)
    with pytest.raises(StoreRefused):
        async with build(made):
            pass
    assert not (tmp_path / "corral.db").exists(), "a start makes no installation"


async def test_an_installation_is_never_made_twice(settings: Settings) -> None:
    with pytest.raises(StoreRefused):
        await initialize(settings)


async def test_each_app_has_its_own_routes_only(corral: Corral) -> None:
    async with client(corral.device_app) as device, client(corral.admin_app) as admin, client(corral.both_app) as both:
        for path in DEVICE_ROUTES:
            nothing = "There is nothing at this address.\n"
            assert (await admin.get(path)).text == nothing
            assert (await device.get(path)).text != nothing
            assert (await both.get(path)).text != nothing
        assert (await device.get("/api/v1/status")).status_code == 404
        assert (await admin.get("/api/v1/status")).status_code == 401
        assert (await both.get("/api/v1/status")).status_code == 401
        for app in (device, admin, both):
            assert (await app.get("/livez")).text == (await app.get("/readyz")).text == "ok\n"


async def test_readiness_follows_the_database(settings: Settings) -> None:
    async with build(settings) as wired:
        app = wired.device_app
    async with client(app) as device:
        assert (await device.get("/livez")).status_code == 200
        answer = await device.get("/readyz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.text.startswith("database: ")


@pytest.mark.parametrize("path", ["/mdm", "/checkin"])
async def test_without_its_database_a_device_is_asked_to_wait(settings: Settings, path: str) -> None:
    """Nobody can be identified then, so a stranger learns nothing and a device loses nothing."""
    async with build(settings) as wired:
        app = wired.device_app
    async with client(app) as device:
        assert (await device.put(path, content=b"x")).status_code == 400
        assert (await device.get(path)).status_code == 200
        link = await device.get(f"/enroll/{'x' * 32}")
        assert (link.status_code, link.headers["retry-after"]) == (503, "30")


async def test_users_that_cannot_be_read_are_named(settings: Settings) -> None:
    users = settings.data / "users"
    await asyncio.to_thread(users.write_text, "ann")
    digests = settings_in(settings.data, user_authentication="digest", user_file=users)
    with pytest.raises(StoreRefused, match=f"Cannot read the users of {users}: line 1"):
        async with build(digests):
            pass
