"""Every address of the admin API, asked in turn by somebody who may do some things."""

import re
from collections.abc import Collection, Mapping

import httpx

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.routes import ENDPOINTS
from corral.service.access.permission import Permission

CLOSED = [each for each in ENDPOINTS if not each.is_open]


async def walk(client: httpx.AsyncClient) -> Mapping[str, int]:
    """What each address answers to a request that means nothing: 403 before anything of it is looked at."""
    found: dict[str, int] = {}
    for each in ENDPOINTS:
        path = re.sub(r"{\w+}", "anything", each.path)
        response = await client.request(each.method, path, params={"nonsense": "1"})
        found[name(each)] = response.status_code
    return found


def refused(found: Mapping[str, int]) -> set[str]:
    return {each for each, status in found.items() if status == 403}


def closed_to(permissions: Collection[Permission]) -> set[str]:
    """Where nobody gets with these alone."""
    return {name(each) for each in ENDPOINTS if isinstance(each.needs, Permission) and each.needs not in permissions}


def name(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"
