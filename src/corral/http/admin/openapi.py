"""OpenAPI 3.1, made from the route table and the types that the endpoints take and give."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from corral import __version__
from corral.http.admin.endpoint import JSON_TYPE, Download, Endpoint, File, Stream
from corral.http.admin.problems import PROBLEM_TYPE, Problem
from corral.http.admin.streaming import EVENT_STREAM
from corral.service.access.permission import Freely, Permission

REF = "#/components/schemas/{name}"

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Of your choice, another for each request: what comes again is not done again, but answered alike",
    "schema": {"type": "string", "maxLength": 257},
}


def describe(endpoints: Iterable[Endpoint]) -> Mapping[str, Any]:
    """The document. Every address is under `/api/v1` and needs a bearer token."""
    table = tuple(endpoints)
    kinds = [kind for endpoint in table for kind in _kinds(endpoint)]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=REF)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Corral",
            "version": __version__,
            "description": "Device management for Apple devices: enrollment links, devices, commands.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {"Problem": {"description": "What is wrong, and what to do", "content": _problem()}},
        },
    }


def _kinds(endpoint: Endpoint) -> list[Any]:
    """The structs that go over the wire as JSON."""
    hints = endpoint.hints
    found = [hints[name] for name in ("body", "return") if name in hints]
    return [kind for kind in found if kind not in (type(None), File, Stream, Download)]


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    hints = endpoint.hints
    operation: dict[str, Any] = {
        "operationId": endpoint.serve.__name__,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[1]],
        **_security(endpoint),
        "responses": {
            str(endpoint.status): _success(endpoint.summary, hints["return"]),
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    parameters = [*map(_in_path, endpoint.names), *_in_query(hints.get("query"))]
    if endpoint.takes_key:
        parameters.append(_KEY)
    if parameters:
        operation["parameters"] = parameters
    if "body" in hints:
        schema = _reference(hints["body"])
        operation["requestBody"] = {"required": True, "content": {JSON_TYPE: {"schema": schema}}}
    return operation


def _security(endpoint: Endpoint) -> dict[str, Any]:
    """As OpenAPI has it for a bearer token: the names of what is required of it."""
    match endpoint.needs:
        case Permission() as permission:
            return {"security": [{"token": [permission.value]}], "x-permission": permission.value}
        case Freely.SIGNED_IN:
            return {"security": [{"token": []}]}
        case Freely.ANYBODY:
            return {"security": []}


def _success(summary: str, kind: Any) -> dict[str, Any]:
    if kind is type(None):
        return {"description": summary}
    if kind in (File, Download):
        return {"description": summary, "content": {"application/octet-stream": {}}}
    if kind is Stream:
        return {"description": summary, "content": {EVENT_STREAM: {"schema": {"type": "string"}}}}
    return {"description": summary, "content": {JSON_TYPE: {"schema": _reference(kind)}}}


def _problem() -> dict[str, Any]:
    return {PROBLEM_TYPE: {"schema": _reference(Problem)}}


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": REF.format(name=kind.__name__)}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(kind: type | None) -> Iterable[dict[str, Any]]:
    if kind is None:
        return
    _, components = msgspec.json.schema_components([kind], ref_template=REF)
    schema = components[kind.__name__]
    required: list[str] = schema.get("required", [])
    properties: Mapping[str, Any] = schema["properties"]
    for name, each in properties.items():
        yield {"name": name, "in": "query", "required": name in required, "schema": _inline(each, components)}


def _inline(schema: Any, components: Mapping[str, Any]) -> Any:
    """The schema with what it refers to put in its place; query parameters refer to enumerations at most."""
    if isinstance(schema, dict):
        found = cast(Mapping[str, Any], schema)
        if "$ref" in found:
            return components[found["$ref"].rpartition("/")[2]]
        return {key: _inline(value, components) for key, value in found.items()}
    if isinstance(schema, list):
        return [_inline(value, components) for value in cast(Iterable[Any], schema)]
    return schema
