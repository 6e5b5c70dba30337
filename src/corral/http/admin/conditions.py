"""Entity tags and conditional requests (RFC 9110 8.8.3 and 13): for all resources here, and for none by itself."""

import hashlib
import re
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from corral.http.admin.problems import ProblemError

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_ANY = "*"
_MOST = 100


def tag_of(content: bytes, kept: bytes | None) -> str:
    """The entity tag of a representation; `kept` is the part of it that only editing changes, where that is less.

    Two parts then: the whole for whoever has it already, the first alone for whoever edits. That a webhook was called
    meanwhile is no reason to refuse its new URL.
    """
    whole = _digest(content)
    return f'"{whole}"' if kept is None else f'"{_digest(kept)}.{whole}"'


def asked_match(request: Request, name: str) -> Sequence[str] | None:
    """The tags of If-Match or If-None-Match, `*` among them for whatever there is; None without the header.

    Raises ProblemError for what is no list of tags.
    """
    given = request.headers.getlist(name)
    if not given:
        return None
    listed = ",".join(given).strip()
    if listed == _ANY:
        return (_ANY,)
    tags = [each.strip() for each in listed.split(",") if each.strip()]
    found = [_TAG.fullmatch(each) for each in tags]
    if not found or len(found) > _MOST or not all(found):
        raise ProblemError(422, f'{name} is "*", or entity tags as they came in ETag, in their quotes.')
    return [each[1] for each in found if each]


def is_edition(tag: str, asked: Sequence[str]) -> bool:
    """Whether one of the tags that were asked for stands for the same, but for what changes by itself."""
    edition = tag.strip('"').partition(".")[0]
    return _ANY in asked or any(each.partition(".")[0] == edition for each in asked)


def unless_known(response: Response, asked: Sequence[str]) -> Response:
    """304 without a body, for whoever has this representation already."""
    tag = response.headers.get("etag")
    if tag is None or (_ANY not in asked and tag.strip('"') not in asked):
        return response
    return Response(status_code=304, headers={"etag": tag})


def kept_part(fields: dict[str, object], volatile: frozenset[str]) -> bytes | None:
    """What of a representation only editing changes; None: all of it."""
    if not volatile:
        return None
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in volatile})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]
