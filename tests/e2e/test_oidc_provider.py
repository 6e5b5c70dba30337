"""Signing in with an OpenID Connect provider that nobody here wrote: npm's `oidc-provider`."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from corral.simulator.browser import Browser
from corral.simulator.facts import Model
from corral.simulator.identity_provider import IdentityProvider
from corral.simulator.world import State
from e2e.account_place import Place
from e2e.installation import Installation, Template, installation

SCRIPT = Path(__file__).parent / "oidc_provider.mjs"
SECRET = "a secret with: odd/characters+"
ANN = "ann@example.org"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or shutil.which("npm") is None, reason="needs Node and npm for its oidc-provider"
    ),
]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installed oidc-provider: of CORRAL_TEST_NODE_MODULES, else installed for this test."""
    given = os.environ.get("CORRAL_TEST_NODE_MODULES")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("npm")
    install = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    try:
        done = subprocess.run([*install, "oidc-provider@9"], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install oidc-provider within two minutes")
    if done.returncode != 0:
        pytest.skip("npm cannot install oidc-provider here")
    return folder / "node_modules"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(template: Template, modules: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Place]:
    folder = tmp_path_factory.mktemp("oidc")
    certificate, key = template.apple.server_certificate(datetime.now(UTC))
    for name, content in (("server.pem", certificate), ("server.key", key), ("root.pem", template.apple.root_pem)):
        (folder / name).write_bytes(content)
    environment = {
        "CORRAL_OIDC_CLIENT_ID": "corral",
        "CORRAL_OIDC_CLIENT_SECRET": SECRET,
        "CORRAL_OIDC_SCOPES": "openid email",
        "CORRAL_OIDC_CA": str(folder / "root.pem"),
        "CORRAL_OUTGOING_NETWORKS": "127.0.0.0/8",
        "CORRAL_ACCOUNT_DOMAINS": "example.org",
    }
    async with installation(template, folder) as made:
        given = {
            "modules": str(modules),
            "certificate": str(folder / "server.pem"),
            "key": str(folder / "server.key"),
            "redirect": f"{made.url}/account/callback",
            "secret": SECRET,
        }
        node = await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), json.dumps(given), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert node.stdout is not None
            assert node.stderr is not None
            issuer = (await asyncio.wait_for(node.stdout.readline(), 30)).decode().strip()
            assert issuer, (await node.stderr.read()).decode()
            await _restart(made, environment | {"CORRAL_OIDC_ISSUER": issuer})
            yield Place(made, IdentityProvider(template.apple), template.push_key)
        finally:
            node.kill()
            await node.wait()


async def _restart(made: Installation, more: dict[str, str]) -> None:
    await made.service.stop()
    made.service.environment = made.service.environment | more
    await made.service.start()


@pytest.mark.parametrize("account", [ANN, "bob@example.org"])
async def test_a_device_enrolls_with_an_account_of_a_foreign_provider(place: Place, account: str) -> None:
    device = place.corral.device(Model.IPHONE)
    browser = Browser(place.trust, {"login": account, "password": "anything goes there"})
    profile, _ = await place.profile(device, account, browser)
    await device.enroll(profile)
    assert device.state is State.ENROLLED
    assert device.enrollment is not None
    assert device.enrollment.profile.assigned_managed_apple_id == account
