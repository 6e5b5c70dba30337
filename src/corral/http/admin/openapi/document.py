"""OpenAPI 3.1, made from the route table and the types that the endpoints take and give."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from corral import __version__
from corral.http.admin.endpoint import JSON_TYPE, Endpoint
from corral.http.admin.openapi import examples, refusals
from corral.http.admin.openapi.parameters import ETAG, parameters
from corral.http.admin.openapi.schemas import REF, schemas
from corral.http.admin.openapi.webhooks import webhooks
from corral.http.admin.problems import Problem
from corral.service.access.permission import Freely, Permission

ABOUT = """\
Device management for Apple devices: enrollment links, devices, commands, profiles, and who administers.

Every request carries a bearer token, but for those that sign somebody in; over the Unix socket in the data folder none
is needed. Keys and query parameters that are not known are refused, never ignored. Times are RFC 3339 in UTC. A listing
takes `limit` and a cursor (`after`, `before`), and answers with the cursor of the following page in `next`, null at the
end. Errors are problems as RFC 9457 has them, each of a type. What a request is called (`X-Request-Id`, yours or one of
ours) is in the answer and in the audit trail; its operation has underscores there (`listDevices` is `list_devices`).

Whatever changes something takes an `Idempotency-Key`, under which it is done once however often it is asked. Whoever
edits sends the `ETag` of what was looked at as `If-Match`, and whoever polls sends it as `If-None-Match`.
"""

TAGS: Final[Mapping[str, str]] = {
    "status": "The state of the installation.",
    "metrics": "Numbers over time.",
    "events": "What happened.",
    "event-types": "The types that events have.",
    "webhooks": "Who is told of events by a call.",
    "authority": "The authority that issues identity certificates.",
    "authorities": "All authorities, and their roll-over.",
    "breaker": "The guard against mass unenrollment.",
    "links": "Enrollment links.",
    "account-sessions": "Sign-ins of people who enroll with an account.",
    "policy": "The admission policy: who may enroll.",
    "devices": "Devices, their lives and what is done to them.",
    "filevault": "Recovery keys of Macs.",
    "inventory": "What devices have said of themselves.",
    "commands": "Commands and what became of them.",
    "request-types": "The commands that Apple's schema has.",
    "profiles": "Configuration profiles.",
    "apps": "In-house apps.",
    "push-certificates": "What pushes are sent with.",
    "tokens": "Bearer tokens of this API.",
    "roles": "Sets of permissions.",
    "audit": "Who did what.",
    "users": "People who administer.",
    "sessions": "Signing in and out.",
    "sign-ins": "Signing in with the identity provider.",
    "ade": "Automated Device Enrollment: servers, profiles, rules, devices.",
}


def describe(endpoints: Iterable[Endpoint]) -> Mapping[str, Any]:
    """The document. Every address is under `/api/v1` and needs a bearer token."""
    table = tuple(endpoints)
    kinds = [kind for endpoint in table for kind in _kinds(endpoint)]
    components = schemas([*kinds, Problem])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, components)
    used = dict.fromkeys(_tag(each) for each in table)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Corral",
            "version": __version__,
            "summary": "The admin API of a device management service for Apple devices",
            "description": ABOUT,
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "tags": [{"name": name, "description": TAGS.get(name, "")} for name in used],
        "paths": paths,
        "webhooks": webhooks(),
        "x-problem-types": refusals.types(),
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": refusals.components(),
            "headers": {"RequestId": _REQUEST_ID, "Replayed": _REPLAYED, "EntityTag": _ETAG},
        },
    }


_REQUEST_ID: Final[Mapping[str, Any]] = {
    "description": "What this request is called in the audit trail: what it was sent as, or a name that was made here.",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "example": "5b0e3f2a-1f0f-4d7e-9a2c-6a7d1f0c9e11",
}


_ETAG: Final[Mapping[str, Any]] = {
    "description": "What this is now; for `If-Match`, and for `If-None-Match`.",
    "required": True,
    "schema": {"type": "string", "pattern": r'^"[!#-~]+"$'},
    "example": f'"{ETAG}"',
}
_KNOWN: Final[Mapping[str, Any]] = {
    "description": "It is what `If-None-Match` names; nothing is sent again.",
    "headers": {
        "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
        "ETag": {"$ref": "#/components/headers/EntityTag"},
    },
}
_REPLAYED: Final[Mapping[str, Any]] = {
    "description": "`true` where this is the answer to an earlier request with the same key.",
    "schema": {"type": "string", "const": "true"},
    "example": "true",
}


def operation_id(endpoint: Endpoint) -> str:
    """`list_devices` as clients in most languages write it: `listDevices`."""
    first, *others = endpoint.serve.__name__.split("_")
    return first + "".join(map(str.capitalize, others))


def _kinds(endpoint: Endpoint) -> list[Any]:
    """The structs that go over the wire as JSON."""
    return [kind for kind in (endpoint.hints.get("body"), endpoint.view) if kind is not None]


def _operation(endpoint: Endpoint, components: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "description": _description(endpoint),
        "tags": [_tag(endpoint)],
        **_security(endpoint),
    }
    if found := parameters(endpoint):
        operation["parameters"] = found
    if "body" in endpoint.hints:
        name = endpoint.hints["body"].__name__
        content = {"schema": _reference(name), "example": examples.body(name, components)}
        # A body may be left out where nothing in it must be given.
        required = bool(components[name].get("required"))
        operation["requestBody"] = {"required": required, "content": {JSON_TYPE: content}}
    operation["responses"] = {
        str(endpoint.status): _success(endpoint, components),
        **({"304": _KNOWN} if endpoint.may_be_known else {}),
        **refusals.responses(endpoint),
    }
    return operation


def _tag(endpoint: Endpoint) -> str:
    return endpoint.path.split("/")[1]


def _description(endpoint: Endpoint) -> str:
    """What its function and its query say of themselves, and who may."""
    query = endpoint.hints.get("query")
    match endpoint.needs:
        case Permission() as permission:
            who = f"Needs the permission `{permission.value}`."
        case Freely.SIGNED_IN:
            who = "For whoever has said who they are."
        case Freely.ANYBODY:
            who = "Nobody has to say who they are."
    told = [endpoint.serve.__doc__, query.__doc__ if query is not None else None, who]
    return "\n\n".join(" ".join(each.split()) for each in told if each)


def _security(endpoint: Endpoint) -> dict[str, Any]:
    """As OpenAPI has it for a bearer token: the names of what is required of it."""
    match endpoint.needs:
        case Permission() as permission:
            return {"security": [{"token": [permission.value]}], "x-permission": permission.value}
        case Freely.SIGNED_IN:
            return {"security": [{"token": []}]}
        case Freely.ANYBODY:
            return {"security": []}


def _success(endpoint: Endpoint, components: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if endpoint.may_be_known:
        headers["ETag"] = {"$ref": "#/components/headers/EntityTag"}
    if endpoint.takes_key:
        headers["Idempotent-Replayed"] = {"$ref": "#/components/headers/Replayed"}
    told = {"description": endpoint.summary, "headers": headers}
    if endpoint.view is not None:
        name = endpoint.view.__name__
        content = {"schema": _reference(name), "example": examples.answer(name, components)}
        return {**told, "content": {JSON_TYPE: content}}
    bare = [each.partition(";")[0] for each in endpoint.gives[1]]
    return {**told, "content": {each: {"schema": _TEXT if each.startswith("text/") else _BYTES} for each in bare}}


_TEXT: Final = {"type": "string"}
_BYTES: Final = {"type": "string", "format": "binary"}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": REF.format(name=name)}
