"""Every answer that the tests get from the admin API is held against its description."""

import re

import httpx
import msgspec

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.openapi.refusals import refusals
from corral.http.admin.problems import PROBLEM_TYPE, Problem
from corral.http.admin.routes import ENDPOINTS

_PLACES = [(re.compile(f"/api/v1{re.sub('{[a-z_]+}', '[^/]+', each.path)}"), each) for each in ENDPOINTS]


async def hold(response: httpx.Response) -> None:
    """For `event_hooks` of a client. Fails on a status, a media type or a body that the description does not have."""
    request = response.request
    endpoint = _find(request.method, request.url.path)
    if endpoint is None:
        return
    asked, status = f"{endpoint.method} {endpoint.path}", response.status_code
    if status == 304 and endpoint.may_be_known:
        assert "etag" in response.headers, asked
        return
    assert status in (endpoint.status, *refusals(endpoint)), (
        f"{asked} has answered {status}, which its description does not have: "
        f"add it to `refuses` of the endpoint in http/admin/routes, and run tools/generate_openapi.py"
    )
    well = status == endpoint.status
    media_types = endpoint.gives[1] if well else (PROBLEM_TYPE,)
    given = response.headers.get("content-type", "").partition(";")[0]
    assert given in [each.partition(";")[0] for each in media_types or ("",)], f"{asked} has answered with {given!r}"
    assert "x-request-id" in response.headers, asked
    kind = endpoint.view if well else Problem
    if kind is not None:
        msgspec.json.decode(await response.aread(), type=kind)


def _find(method: str, path: str) -> Endpoint | None:
    """As requests are routed: by the first path that fits. HEAD has no body to look at."""
    return next((each for place, each in _PLACES if each.method == method and place.fullmatch(path)), None)
