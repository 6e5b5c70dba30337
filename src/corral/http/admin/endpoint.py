"""An endpoint is a function of values: what it takes and gives is read from its annotations, here and in OpenAPI."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from corral.http.admin.conditions import kept_part, tag_of
from corral.http.admin.problems import FieldError, ProblemError
from corral.http.admin.streaming import EVENT_STREAM, StreamResponse
from corral.http.asgi import BodyTooLarge, read_body
from corral.lifecycle.state import Instant
from corral.service.access.caller import Caller
from corral.service.access.permission import Freely, Need, Permission
from corral.service.breathing import pieces
from corral.service.services import Services

MAX_BODY = 1024 * 1024
JSON_TYPE = "application/json"

_S = TypeVar("_S")


Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
"""That a row may have: both back-ends count in 64 bits."""


class View(msgspec.Struct, kw_only=True):
    """Something that the API shows. VOLATILE: fields that change without anybody editing it."""

    VOLATILE: ClassVar[frozenset[str]] = frozenset()


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The JSON object that a request carries. A key that is not known is refused, never ignored."""


class Query(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The query string of a request."""


@dataclass(frozen=True, slots=True)
class File:
    """An answer of bytes. Which media type they have says the annotation: `-> Annotated[File, "text/html"]`."""

    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on, as server-sent events."""

    chunks: AsyncGenerator[bytes]


@dataclass(frozen=True, slots=True)
class Download:
    """An answer of bytes that are made while they are sent: of one of the media types of the annotation."""

    chunks: AsyncGenerator[bytes]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Call:
    """What every endpoint is given: the services, who asks, and when."""

    services: Services
    caller: Caller
    source: str
    """The address that a request comes from, or empty."""
    now: Instant
    link_days: int
    last_event_id: str = ""
    """Where a client of a stream wants it to go on (the header of this name)."""

    @property
    def by(self) -> str:
        """The name of who asks."""
        return self.caller.name


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`serve` takes a Call, each `{name}` of the path, and, if it wants them, `body` and `query`.

    `needs` is what whoever asks must be allowed: there is no endpoint without it. `refuses`: the statuses of errors
    that it can give beside those that follow from its shape (`openapi/refusals.py`); tests hold answers against them.
    """

    method: str
    path: str
    needs: Need
    serve: Callable[..., Awaitable[object]]
    summary: str
    status: int = 200
    max_body: int = MAX_BODY
    refuses: tuple[int, ...] = ()
    watched: bool = False
    """Each look leaves an entry in the audit trail, though it changes nothing."""
    edits: str = ""
    """The path at which one looks at what this edits, and gets its entity tag for If-Match."""

    def admit(self, caller: Caller) -> None:
        """Raises Forbidden for whoever may not come in here."""
        if isinstance(self.needs, Permission):
            caller.require(self.needs)

    @property
    def is_open(self) -> bool:
        return self.needs is Freely.ANYBODY

    @property
    def takes_key(self) -> bool:
        """Whether it may have an idempotency key: what changes something, by whoever has said who they are."""
        return self.method != "GET" and not self.is_open

    @property
    def may_be_known(self) -> bool:
        """Whether its answer has an entity tag, by which one can ask not to be sent it again."""
        return self.method == "GET" and self.view is not None

    @property
    def names(self) -> tuple[str, ...]:
        """What the path is made of that varies."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def hints(self) -> Mapping[str, Any]:
        return _hints(self.serve)

    @property
    def gives(self) -> tuple[Any, tuple[str, ...]]:
        """The type of its answer, None for none, and the media types that this can have."""
        kind = self.hints["return"]
        if get_origin(kind) is Annotated:
            bare, *media_types = get_args(kind)
            return bare, tuple(media_types)
        if kind is Stream:
            return kind, (EVENT_STREAM,)
        return (None, ()) if kind is type(None) else (kind, (JSON_TYPE,))

    @property
    def view(self) -> Any:
        """The type of its answer where that is JSON, else None."""
        kind, media_types = self.gives
        return kind if media_types == (JSON_TYPE,) else None


@cache
def _hints(serve: Callable[..., Awaitable[object]]) -> Mapping[str, Any]:
    return get_type_hints(serve, include_extras=True)


async def read(endpoint: Endpoint, request: Request) -> bytes:
    """The body of a request. Raises ProblemError, and ClientGone."""
    takes = "body" in endpoint.hints
    try:
        return await read_body(request.scope, request.receive, endpoint.max_body if takes else 0)
    except BodyTooLarge:
        if not takes:
            raise ProblemError(422, f"{endpoint.method} {endpoint.path} takes no body.") from None
        detail = f"The body is larger than {endpoint.max_body} bytes, which is all that is taken here."
        raise ProblemError(413, detail) from None


async def run(endpoint: Endpoint, call: Call, request: Request, body: bytes, *, tagged: bool) -> Response:
    """Understand the request, call the function, write its answer, `tagged` with an entity tag.

    Raises ProblemError and what the services raise.
    """
    hints = endpoint.hints
    values: dict[str, Any] = {name: request.path_params[name] for name in endpoint.names}
    query = _read_query(request)
    if "query" in hints:
        values["query"] = _convert(query, hints["query"])
    elif query:
        raise ProblemError(422, f"This address takes no query, but got {', '.join(sorted(query))!r}.")
    if "body" in hints:
        values["body"] = _decode(body, hints["body"], request)
    answer = await endpoint.serve(call, **values)
    return await _respond(answer, endpoint, tagged=tagged)


async def look(endpoint: Endpoint, call: Call, request: Request) -> str:
    """The entity tag of what is at this endpoint now. Raises what the services raise."""
    values: dict[str, Any] = {name: request.path_params[name] for name in endpoint.names}
    if "query" in endpoint.hints:
        values["query"] = endpoint.hints["query"]()
    return (await _respond(await endpoint.serve(call, **values), endpoint, tagged=True)).headers["etag"]


async def _respond(answer: object, endpoint: Endpoint, *, tagged: bool) -> Response:
    status, (_, media_types) = endpoint.status, endpoint.gives
    match answer:
        case None:
            return Response(status_code=status)
        case File(content, headers):
            return Response(content, status, headers, media_type=media_types[0])
        case View():
            fields = await _encode(answer)
            content = msgspec.json.encode(fields)
            headers = {"etag": tag_of(content, kept_part(fields, answer.VOLATILE))} if tagged else None
            return Response(content, status, headers, media_type=JSON_TYPE)
        case Stream(chunks):
            return StreamResponse(chunks)
        case Download(chunks, media_type, headers):
            return StreamResponse(chunks, media_type, headers)
        case _:
            return Response(msgspec.json.encode(answer), status, media_type=JSON_TYPE)


async def _encode(view: View) -> dict[str, object]:
    """Its fields, long lists encoded already: in pieces, so that devices are answered between them."""
    fields: dict[str, object] = {}
    for each in msgspec.structs.fields(view):
        value: object = getattr(view, each.name)
        fields[each.encode_name] = (
            await _encode_list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
        )
    return fields


async def _encode_list(entries: tuple[object, ...]) -> msgspec.Raw:
    encoded = [msgspec.json.encode(piece)[1:-1] async for piece in pieces(entries)]
    return msgspec.Raw(b"[" + b",".join(encoded) + b"]")


def _read_query(request: Request) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values:
            raise ProblemError(422, f"The query has {name!r} more than once.")
        values[name] = value
    return values


def _decode(body: bytes, kind: type[_S], request: Request) -> _S:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != JSON_TYPE:
        raise ProblemError(415, f"Send JSON, with Content-Type: {JSON_TYPE}.")
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProblemError(400, f"The body is not readable JSON: {why}.") from None


def _convert(values: Mapping[str, str], kind: type[_S]) -> _S:
    try:
        found = msgspec.convert(values, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    for name, text in values.items():
        # msgspec takes the word null as if nothing was given, and a filter that is not heeded finds too much; to it
        # a number is a time as well.
        value = getattr(found, name)
        if value is None or (isinstance(value, datetime) and ":" not in text):
            raise ProblemError(422, f"{name}={text} says nothing here.", (FieldError(detail="no value", pointer=name),))
    return found


def _invalid(error: msgspec.ValidationError) -> ProblemError:
    """From `Expected int, got str - at $.uses` to a sentence and a JSON pointer."""
    what, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        path += f".{unknown[1]}"
    pointer = "".join(f"/{step}" for step in re.findall(r"[^.\[\]]+", path))
    where = f" at {path.lstrip('.')}" if path and not unknown else ""
    return ProblemError(
        422, f"The request is not as it should be{where}: {what}.", (FieldError(detail=what, pointer=pointer),)
    )
