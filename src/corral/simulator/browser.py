"""The web view in which a device lets its person sign in: redirects, cookies, forms, and nothing else."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from corral.simulator.transport import Response
from corral.simulator.trust import Trust, tls_context

_MOST_STEPS: Final = 20
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


class SignInFailed(Exception):
    """The person did not get through; the one line says where it ended."""


class Browser:
    """`answers` are what the person types into fields of these names."""

    def __init__(self, trust: Trust, answers: Mapping[str, str]) -> None:
        self.trust = trust
        self.answers = dict(answers)
        self.visited: list[str] = []

    async def visit(self, url: str, scheme: str) -> str:
        """From this URL to one of `scheme`, which must come by a 308 (Apple: "Authenticating a user...").

        Raises SignInFailed.
        """
        async with self._client() as client:
            response = await self._walk(client, url, scheme)
        location: str = response.headers.get("location", "")
        if urlsplit(location).scheme != scheme:
            raise SignInFailed(f"it ends at {response.url.copy_with(query=None)} with HTTP {response.status_code}")
        if response.status_code != 308:
            raise SignInFailed(f"the way back to the device is HTTP {response.status_code}, not 308")
        return location

    async def open(self, url: str, headers: Mapping[str, str]) -> tuple[str, Response]:
        """From this URL, asked for with `headers` once, to where nothing leads any further: the host there, and what
        it answers. Raises SignInFailed."""
        async with self._client() as client:
            response = await self._walk(client, url, "", headers)
        return response.url.host, Response(response.status_code, dict(response.headers), response.content)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=tls_context(self.trust, None), trust_env=False, timeout=30)

    async def _walk(
        self, client: httpx.AsyncClient, url: str, scheme: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Until nothing leads any further."""
        request = client.build_request("GET", url, headers=headers)
        for _ in range(_MOST_STEPS):
            if urlsplit(str(request.url)).scheme != "https":
                raise SignInFailed("it leads to a page that is not https")
            self.visited.append(str(request.url))
            try:
                response = await client.send(request)
            except httpx.HTTPError as error:
                raise SignInFailed(f"{request.url.host} cannot be reached: {type(error).__name__}") from None
            location: str | None = response.headers.get("location") if response.status_code in _REDIRECTS else None
            if location is not None:
                following = urljoin(str(request.url), location)
                if scheme and urlsplit(following).scheme == scheme:
                    return response
                request = client.build_request("GET", following)
                continue
            form = _read_form(response)
            if form is None or response.status_code != 200:
                return response
            action, fields = form
            filled = {name: self.answers.get(name, value) for name, value in fields.items()}
            request = client.build_request("POST", urljoin(str(request.url), action), data=filled)
        raise SignInFailed(f"it leads on and on, the last time to {request.url.host}")


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and self.action is None and found.get("method", "").lower() == "post":
            self.action = found.get("action", "")
        elif tag == "input" and self.action is not None and found.get("name"):
            self.fields[found["name"]] = found.get("value", "")


def _read_form(response: httpx.Response) -> tuple[str, dict[str, str]] | None:
    """The action and the fields of the first form that is sent by POST."""
    if not response.headers.get("content-type", "").startswith("text/html"):
        return None
    parser = _Form()
    parser.feed(response.text)
    return (parser.action, parser.fields) if parser.action is not None else None
