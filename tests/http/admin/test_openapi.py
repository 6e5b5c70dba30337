"""The OpenAPI document tells the truth about the routes: all of them, and what they take and give."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import schemathesis
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from contract import values as v
from corral.http.admin.endpoint import Endpoint
from corral.http.admin.openapi import examples, page, refusals
from corral.http.admin.openapi.document import describe, operation_id
from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.state import Phase
from corral.lifecycle.vocabulary import VOCABULARY
from inprocess import Installation
from samples import PROFILE

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
DOCUMENT: Mapping[str, Any] = json.loads(msgspec.json.encode(describe(ENDPOINTS)))
BASE = "corral:api"
REGISTRY = Registry[Any]().with_resource(BASE, DRAFT202012.create_resource(DOCUMENT))
SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
SAMPLES = "src/corral/http/admin/openapi/samples.py"


def walk(value: object) -> Iterator[Mapping[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        found = cast(Mapping[str, Any], value)
        yield found
        for each in found.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in cast(list[object], value):
            yield from walk(each)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def operation_of(endpoint: Endpoint) -> Mapping[str, Any]:
    return DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]


def name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def hold(value: Any, schema: Mapping[str, Any]) -> None:
    """Against a schema that may refer to those of the document."""
    meant = {"$ref": f"{BASE}{schema['$ref']}"} if "$ref" in schema else schema
    validator: Any = Draft202012Validator(meant, registry=REGISTRY, format_checker=FormatChecker())
    validator.validate(value)


def test_what_is_committed_is_what_the_code_says() -> None:
    current = FILE.exists() and json.loads(FILE.read_text()) == DOCUMENT
    assert current, "docs/openapi.json is stale. Run: PYTHONPATH=src python tools/generate_openapi.py"


def test_it_is_an_openapi_document() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert DOCUMENT["security"] == [{"token": []}]
    assert DOCUMENT["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_a_public_validator_finds_nothing_in_it() -> None:
    """Against the JSON Schema of OpenAPI 3.1, and each schema in it against that of JSON Schema."""
    schemathesis.openapi.from_dict(dict(DOCUMENT)).validate()
    for each in walk(DOCUMENT):
        if "schema" in each and "description" not in each.get("properties", {}):
            validator_for(each["schema"], Draft202012Validator).check_schema(each["schema"])
    for each in SCHEMAS.values():
        Draft202012Validator.check_schema(each)


def test_every_route_is_there_and_nothing_else() -> None:
    told = {(method.upper(), path) for path, each in DOCUMENT["paths"].items() for method in each}
    assert sorted(told) == sorted((endpoint.method, endpoint.path) for endpoint in ENDPOINTS), "each is there once"


def test_every_reference_leads_somewhere() -> None:
    references = [each["$ref"] for each in walk(DOCUMENT) if "$ref" in each]
    assert references
    for reference in references:
        assert isinstance(resolve(reference), dict), reference


def test_types_have_names_that_can_be_said() -> None:
    odd = [each for each in SCHEMAS if not re.fullmatch("[A-Z][A-Za-z]+", each)]
    assert not odd, f"{odd}: two classes share a name; give one of them another"


def test_operations_have_names_of_their_own_and_say_what_they_do() -> None:
    operations = [each for path in DOCUMENT["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    tags = {each["name"]: each["description"] for each in DOCUMENT["tags"]}
    for each in operations:
        assert re.fullmatch("[a-z]+([A-Z][a-z]*)+", each["operationId"]), each["operationId"]
        assert each["summary"]
        assert each["description"]
        assert all(tags[tag] for tag in each["tags"]), f"say in openapi/document.py what {each['tags']} is"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_parameters_are_those_of_the_path_and_the_query(endpoint: Endpoint) -> None:
    operation = operation_of(endpoint)
    parameters = operation.get("parameters", [])
    in_path = {each["name"] for each in parameters if each["in"] == "path"}
    in_query = {each["name"] for each in parameters if each["in"] == "query"}
    query = endpoint.hints.get("query")
    assert in_path == set(endpoint.names)
    assert in_query == (set(query.__struct_fields__) if query else set())
    assert all(each["required"] for each in parameters if each["in"] == "path")
    assert all(each["description"] != "Which one." for each in parameters if each["in"] == "path"), (
        "say in openapi/parameters.py what stands in this path"
    )
    assert ("requestBody" in operation) == ("body" in endpoint.hints)
    assert str(endpoint.status) in operation["responses"]
    assert (endpoint.status == 204) == (endpoint.gives[0] is None)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_errors_are_problems(endpoint: Endpoint) -> None:
    responses = operation_of(endpoint)["responses"]
    errors = {status: each for status, each in responses.items() if status >= "4"}
    assert {"422", "500", "503"} <= errors.keys()
    assert ("403" in errors) == ("x-permission" in operation_of(endpoint))
    for each in errors.values():
        assert resolve(each["$ref"])["content"].keys() == {"application/problem+json"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name)
def test_examples_are_what_their_schemas_say(endpoint: Endpoint) -> None:
    operation = operation_of(endpoint)
    for each in operation.get("parameters", []):
        assert "example" in each or each["schema"].get("default", "") is None or not each["required"], each["name"]
        if "example" in each:
            hold(each["example"], each["schema"])
    if "body" in endpoint.hints:
        content = operation["requestBody"]["content"]["application/json"]
        hold(content["example"], content["schema"])
        msgspec.json.decode(msgspec.json.encode(content["example"]), type=endpoint.hints["body"])
    if endpoint.view is not None:
        content = operation["responses"][str(endpoint.status)]["content"]["application/json"]
        hold(content["example"], content["schema"])
        msgspec.json.decode(msgspec.json.encode(content["example"]), type=endpoint.view)


def test_examples_say_something() -> None:
    assert not [*examples.unsampled(SCHEMAS)], f"add what these fields could be to {SAMPLES}"


def test_examples_of_errors_and_events_are_what_their_schemas_say() -> None:
    for status, each in refusals.REFUSALS.items():
        (content,) = DOCUMENT["components"]["responses"][each.name]["content"].values()
        hold(content["example"], content["schema"])
        assert content["example"]["status"] == status
    event = examples.answer("EventDocument", SCHEMAS)
    validator: Any = Draft202012Validator(VOCABULARY[event["type"]].schema())
    validator.validate(event)


def test_receivers_of_webhooks_are_told_of_every_type() -> None:
    assert DOCUMENT["webhooks"].keys() == VOCABULARY.keys()
    for kind, each in DOCUMENT["webhooks"].items():
        schema = each["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert schema["properties"]["type"] == {"const": kind}


def test_a_name_with_underscores_is_the_operation_in_the_audit_trail() -> None:
    found = {each.serve.__name__: operation_id(each) for each in ENDPOINTS}
    assert found["list_devices"] == "listDevices"
    assert found["make_filevault_profile"] == "makeFilevaultProfile"


class TestPage:
    def test_it_has_every_operation_type_and_event(self) -> None:
        text = page.page(DOCUMENT).decode()
        for endpoint in ENDPOINTS:
            assert f'id="{operation_id(endpoint)}"' in text
            assert f"<code>{endpoint.path}</code>" in text
        for each in SCHEMAS:
            assert f'id="schema-{each}"' in text
        for each in VOCABULARY:
            assert f"<code>{each}</code>" in text

    def test_every_link_in_it_leads_to_a_place_in_it(self) -> None:
        text = page.page(DOCUMENT).decode()
        places = re.findall('id="([^"]+)"', text)
        assert len(set(places)) == len(places)
        links = re.findall('href="([^"]*)"', text)
        assert len(links) > 100
        assert {each.removeprefix("#") for each in links} <= set(places)

    def test_what_a_shell_is_shown_asks_for_that(self) -> None:
        text = html.unescape(page.page(DOCUMENT).decode())
        for endpoint in ENDPOINTS:
            inside = text.partition(f'id="{operation_id(endpoint)}"')[2]
            line = inside.partition('<pre class="call">')[2].partition("</pre>")[0]
            words = shlex.split(line)
            assert words[0] == "curl"
            assert re.fullmatch(re.sub(r"{\w+}", "[^/{}]+", f"\\$CORRAL/api/v1{endpoint.path}"), words[-1]), words[-1]
            assert ("--request" in words) == (endpoint.method != "GET")
            assert any("$TOKEN" in each for each in words) != endpoint.is_open
            if "body" in endpoint.hints:
                body = json.loads(words[words.index("--data") + 1])
                hold(body, operation_of(endpoint)["requestBody"]["content"]["application/json"]["schema"])

    async def test_everybody_may_see_it_and_it_loads_nothing(self, installation: Installation) -> None:
        response = await installation.remote.get("/docs")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert not re.search(r"<(script|link|img|iframe|form)\b|url\(|@import|style=|\bon\w+=", response.text)
        assert (await installation.remote.head("/docs")).status_code == 200
        assert (await installation.remote.post("/docs")).status_code == 401
        assert (await installation.remote.get("/docs/")).status_code == 401

    async def test_it_says_nothing_of_this_installation(self, installation: Installation) -> None:
        text = (await installation.remote.get("/docs")).text
        assert DOCUMENT["info"]["version"] not in text


async def test_an_operation_is_found_in_the_audit_trail_by_its_name_here(installation: Installation) -> None:
    device = await installation.device()
    await installation.post(f"/devices/{device}/block", {"reason": "lost"})
    for operation in ("blockDevice", "block_device"):
        (entry,) = (await installation.get("/audit", operation=operation))["entries"]
        assert entry["what"] == "device.blocked"


async def test_it_is_served(installation: Installation) -> None:
    assert await installation.get("/openapi.json") == DOCUMENT


async def test_answers_are_what_it_tells(installation: Installation) -> None:
    """Each listing and page, of an installation with something of everything, read back by its declared type."""
    await installation.push_certificate()
    device = await installation.device(user="U1")
    await installation.device(Phase.AUTHENTICATING)
    link = (await installation.post("/links", {"uses": None}))["link"]["id"]
    sent = await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    await installation.post("/users", {"name": "ann", "role": "viewer"})
    ade = installation.corral.store.ade
    await installation.post("/ade/servers", {"name": "main"})
    await ade.put_profile(v.ade_profile("standard", "main"))
    content = base64.b64encode(PROFILE.replace(b"org.example.wifi", b"standard")).decode()
    await installation.post("/profiles", {"content": content})
    await installation.post("/profiles/standard/install", {"devices": [device]})
    manifest = {"manifest_url": "https://example.org/manifest.plist"}
    named = {"bundle_id": "org.example.app", "version": "1", "title": "Example"}
    await installation.post("/apps", {"kind": "mac", **named, **manifest})
    await ade.put_rules("main", [v.ade_rule(server="main")])
    await ade.take([v.ade_device(device, "main")], None)
    await ade.assign([v.assignment(device, "main")])
    hook = await installation.post("/webhooks", {"url": "https://hooks.example.org/in"})
    values = {
        "webhook": hook["webhook"]["id"],
        "server": "main",
        "profile": "standard",
        "link": link,
        "device": device,
        "command": sent["command_uuid"],
        "request_type": "DeviceInformation",
        "app": "org.example.app",
        "event_type": "link.created",
        "user": "ann",
        "role": "viewer",
    }
    read = 0
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and endpoint.view is not None:
            response = await installation.api.get(endpoint.path.format(**values))
            assert response.status_code == endpoint.status, response.text
            msgspec.json.decode(response.content, type=endpoint.view)
            read += 1
    assert read >= 14
