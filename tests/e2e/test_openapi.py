"""The committed description of the API, in the hands of public tools: one attacks a running service with it, one
makes a client of it."""

import asyncio
import base64
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from corral.http.admin.routes import ENDPOINTS
from e2e.conftest import Start
from e2e.installation import Installation, Template, installation, until
from samples import PROFILE

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
SCRIPTS = Path(sys.executable).parent


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Installation]:
    """A service whose state nobody else depends on; without TLS, since its authorities come and go."""
    async with installation(template, tmp_path_factory.mktemp("attacked"), plain=True) as made:
        yield made


# -- attacked

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)

CONFIGURATION = """\
seed = 1
continue-on-failure = true
base-url = "{url}/api/v1"
request-timeout = 30
headers = {{ Authorization = "Bearer {token}" }}

[generation]
max-examples = {examples}
no-shrink = true

[phases.stateful]
enabled = false

[phases.coverage]
unexpected-methods = ["put", "trace"]

[checks]
enabled = false
{checks}

[dictionaries]
{dictionaries}

[parameters]
{parameters}

[[operations]]
include-method = "DELETE"
parameters = {{ {spare} }}

[[operations]]
include-operation-id = "streamEvents"
enabled = false

[[operations]]
include-operation-id = "listEvents"
parameters = {{ "query.wait" = 0 }}
"""
"""A stream has no end that could be waited for; `tests/http/admin` looks at those."""


APP = {
    **{"kind": "mac", "bundle_id": "org.example.app", "version": "1", "title": "Example"},
    "package": {"url": "https://packages.example.org/example.pkg", "size": 4, "md5s": ["0" * 32], "chunk_size": 4},
}


async def arrange(at: Installation, name: str) -> Mapping[str, str]:
    """Something of everything that a path can name."""
    device = await at.enrolled(quiet=False)
    await at.post("/users", name=name, role="viewer", password="correct horse battery")
    await at.post("/roles", name=name, permissions=["devices:read"])
    profile = base64.b64encode(PROFILE.replace(b"org.example.wifi", name.encode())).decode()
    app = {**APP, "bundle_id": f"org.example.{name}"}
    return {
        "device": device.facts.udid,
        "command": await at.send(device, "DeviceInformation", Queries=["OSVersion"]),
        "link": (await at.post("/links", uses=None))["link"]["id"],
        "profile": (await at.post("/profiles", content=profile))["profile"]["id"],
        "user": name,
        "role": name,
        "server": (await at.post("/ade/servers", name=name))["name"],
        "token": (await at.post("/tokens", name=name, role="viewer"))["credential"]["id"],
        "webhook": (await at.post("/webhooks", url="https://hooks.example.org/corral"))["webhook"]["id"],
        "app": (await at.post("/apps", **app))["id"],
        "authority": (await at.get("/authorities"))["authorities"][0]["id"],
        "request_type": "DeviceInformation",
        "event_type": "link.created",
    }


CONDITIONS = {"Idempotency-Key", "If-Match", "If-None-Match"}


def unconditional(document: dict[str, Any]) -> dict[str, Any]:
    """Without what the tool would only be refused for, whatever else it sends: one key for all its requests, and tags
    of nothing that there is."""
    for operations in document["paths"].values():
        for operation in operations.values():
            parameters = operation.get("parameters", [])
            operation["parameters"] = [each for each in parameters if each["name"] not in CONDITIONS]
    return document


async def configured(at: Installation, examples: int) -> str:
    """Most requests name what is there. What is removed is something that nothing else is about."""
    named, spare = await arrange(at, "used"), await arrange(at, "spare")
    return CONFIGURATION.format(
        url=at.url.replace("https://", "http://"),
        token=at.template.token,
        examples=examples,
        checks="\n".join(f"{each}.enabled = true" for each in CHECKS),
        dictionaries="\n".join(f'{name} = {{ values = ["{value}"] }}' for name, value in named.items()),
        parameters="\n".join(f'"path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}' for name in named),
        spare=", ".join(f'"path.{name}" = "{value}"' for name, value in spare.items()),
    )


async def attack(at: Installation, folder: Path, *, examples: int) -> None:
    """Fails where the tool finds anything."""
    attacked = folder / "openapi.json"
    attacked.write_text(json.dumps(unconditional(json.loads(DOCUMENT.read_text()))))
    written = folder / "schemathesis.toml"
    written.write_text(await configured(at, examples))
    tool = await asyncio.create_subprocess_exec(
        SCRIPTS / "schemathesis",
        *("--config-file", written, "run", attacked),
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "140"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = (await tool.communicate())[0].decode()
    assert tool.returncode == 0, said
    assert f"Tested: {len(ENDPOINTS) - 1}\n" in said
    assert '"admin.failed"' not in at.log()


@pytest.mark.slow
async def test_nothing_that_can_be_sent_is_answered_otherwise_than_described(
    attacked: Installation, tmp_path: Path
) -> None:
    await attack(attacked, tmp_path, examples=2)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_nothing_that_can_be_sent_in_many_minutes_is_either(start: Start, tmp_path: Path) -> None:
    at = await start(plain=True)
    await attack(at, tmp_path, examples=100)


# -- used

CLIENT = """\
package_name_override: corral_client
post_hooks: []
content_type_overrides:
  application/xml: application/octet-stream
  application/x-apple-aspen-config: application/octet-stream
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Imports a module of the client that a public generator makes of the description."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "client.yaml").write_text(CLIENT)
    made = subprocess.run(
        [
            SCRIPTS / "openapi-python-client", "generate", "--meta", "none", "--path", DOCUMENT,
            "--output-path", folder / "corral_client", "--config", folder / "client.yaml", "--fail-on-warning",
        ],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    try:
        yield lambda name: importlib.import_module(f"corral_client{name}")
    finally:
        sys.path.remove(str(folder))
        for name in [each for each in sys.modules if each.partition(".")[0] == "corral_client"]:
            del sys.modules[name]


async def test_a_client_that_is_made_of_it_sees_devices_and_commands_them(
    corral: Installation, client: Callable[[str], Any]
) -> None:
    device = await corral.enrolled(quiet=False)
    udid = device.facts.udid
    models = client(".models")
    made = client("").AuthenticatedClient(
        base_url=f"{corral.url}/api/v1", token=corral.template.token, verify_ssl=corral.tls
    )
    async with made:
        page = await client(".api.devices.list_devices").asyncio(client=made, search=udid)
        assert isinstance(page, models.DevicePage)
        assert [each.device.id for each in page.devices] == [udid]
        assert page.devices[0].connection.phase is models.Phase.CONNECTED
        assert page.devices[0].device.created_at.tzinfo is not None

        keys = models.NewCommandKeys.from_dict({"Queries": ["OSVersion"]})
        asked = models.NewCommand(devices=[udid], request_type="DeviceInformation", keys=keys)
        sent = await client(".api.commands.send_command").asyncio(client=made, body=asked)
        assert isinstance(sent, models.SentCommand)
        (verdict,) = sent.devices
        assert (verdict.device, verdict.queued, verdict.findings) == (udid, True, [])

        async def answered() -> bool:
            found = await client(".api.commands.show_command").asyncio(sent.command_uuid, client=made)
            assert isinstance(found, models.CommandDetail)
            (delivery,) = found.deliveries
            if delivery.delivery.state is not models.DeliveryState.ACKNOWLEDGED:
                return False
            assert delivery.result.result["QueryResponses"]["OSVersion"] == device.facts.os_version
            return True

        await until(answered)


async def test_its_errors_are_problems_with_types(corral: Installation, client: Callable[[str], Any]) -> None:
    models = client(".models")
    where = {"base_url": f"{corral.url}/api/v1", "verify_ssl": corral.tls}
    async with client("").AuthenticatedClient(**where, token=corral.template.token) as made:
        unknown = await client(".api.devices.show_device").asyncio_detailed("nobody", client=made)
        assert (unknown.status_code, type(unknown.parsed)) == (404, models.Problem)
        assert "no device nobody" in unknown.parsed.detail
        wrong = models.NewCommand(devices=["x"], request_type="DeviceInformation", priority=1000)
        refused = await client(".api.commands.send_command").asyncio(client=made, body=wrong)
        assert isinstance(refused, models.Problem)
        assert [each.pointer for each in refused.errors] == ["/priority"]
    async with client("").AuthenticatedClient(**where, token="none") as stranger:
        nobody = await client(".api.devices.list_devices").asyncio(client=stranger)
        assert (nobody.status, nobody.type_) == (401, "/api/v1/docs#problem-not-authenticated")
