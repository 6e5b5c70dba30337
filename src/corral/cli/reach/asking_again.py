"""A request that is carried out once, also where its connection breaks before there is an answer."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx

KEY = "Idempotency-Key"
PATIENCE = 10.0
"""Seconds in which a service that has died may come back."""
PAUSE = 0.3

_WITHOUT_KEY = frozenset({"/sessions", "/sign-ins"})
"""Nobody has said there who asks, so no key could be anybody's."""
_BROKEN = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)
"""The service may have heard of the request, or not."""


def ask(
    client: httpx.Client, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None
) -> httpx.Response:
    """The answer; raises httpx.HTTPError. What changes something has a key, under which the service does it once."""
    headers = {} if method == "GET" or path in _WITHOUT_KEY else {KEY: f'"{uuid4()}"'}

    def send() -> httpx.Response:
        return client.request(method, f"/api/v1{path}", params=query, json=body, headers=headers)

    try:
        response = send()
    except _BROKEN as error:
        if not headers and method != "GET":
            raise
        return _again(send, error)
    if _is(response, "too-many-keys"):
        headers.clear()
        return send()
    return response


def may_be_done(error: httpx.HTTPError, method: str) -> bool:
    """Whether what was asked may have been carried out although there is no answer."""
    return method != "GET" and isinstance(error, (*_BROKEN, httpx.ReadTimeout, httpx.WriteTimeout))


def _again(send: Callable[[], httpx.Response], broken: httpx.HTTPError) -> httpx.Response:
    end = time.monotonic() + PATIENCE
    while True:
        time.sleep(PAUSE)
        late = time.monotonic() > end
        try:
            response = send()
        except httpx.TransportError:
            if late:
                raise broken from None
        else:
            if late or not _is(response, "under-way"):
                return response


def _is(response: httpx.Response, problem: str) -> bool:
    if response.is_success:
        return False
    try:
        return str(response.json()["type"]).endswith(f"#problem-{problem}")
    except (ValueError, KeyError, TypeError):
        return False
