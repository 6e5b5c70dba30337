"""The OpenAPI document tells the truth about the routes: all of them, and what they take and give."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
import pytest

from contract import values as v
from corral.http.admin.endpoint import Download, File, Stream
from corral.http.admin.openapi import describe
from corral.http.admin.routes import ENDPOINTS
from corral.lifecycle.state import Phase
from inprocess import Installation
from samples import PROFILE

DOCUMENT: Mapping[str, Any] = json.loads(msgspec.json.encode(describe(ENDPOINTS)))


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


def test_it_is_an_openapi_document() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert DOCUMENT["security"] == [{"token": []}]
    assert DOCUMENT["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_every_route_is_there_and_nothing_else() -> None:
    told = {(method.upper(), path) for path, each in DOCUMENT["paths"].items() for method in each}
    assert told == {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}


def test_every_reference_leads_somewhere() -> None:
    references = [each["$ref"] for each in walk(DOCUMENT) if "$ref" in each]
    assert references
    for reference in references:
        assert isinstance(resolve(reference), dict), reference


def test_operations_have_names_of_their_own_and_say_what_they_do() -> None:
    operations = [each for path in DOCUMENT["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    for each in operations:
        assert each["summary"]
        assert each["tags"]
        assert "default" in each["responses"]


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_parameters_are_those_of_the_path_and_the_query(endpoint: Any) -> None:
    operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    parameters = operation.get("parameters", [])
    in_path = {each["name"] for each in parameters if each["in"] == "path"}
    in_query = {each["name"] for each in parameters if each["in"] == "query"}
    query = endpoint.hints.get("query")
    assert in_path == set(endpoint.names)
    assert in_query == (set(query.__struct_fields__) if query else set())
    assert all(each["required"] for each in parameters if each["in"] == "path")
    assert ("requestBody" in operation) == ("body" in endpoint.hints)
    assert str(endpoint.status) in operation["responses"]


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
    }
    read = 0
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and endpoint.hints["return"] not in (File, Stream, Download):
            response = await installation.api.get(endpoint.path.format(**values))
            assert response.status_code == endpoint.status, response.text
            msgspec.json.decode(response.content, type=endpoint.hints["return"])
            read += 1
    assert read >= 14
