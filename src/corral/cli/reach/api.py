"""A client of the admin API. Whatever goes wrong becomes one line and an exit code."""

import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from corral.cli.failure import ExitCode, Failure
from corral.cli.reach.access import Access, OverHttp, OverSocket, is_loopback, no_authorities
from corral.cli.reach.asking_again import ask, may_be_done

TIMEOUT = 60.0
PAGE = 500

_UNREACHABLE = ExitCode.UNREACHABLE
_CODES = {401: _UNREACHABLE, 404: ExitCode.NOT_FOUND, 502: _UNREACHABLE, 503: _UNREACHABLE}


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


class Api:
    """Calls the admin API of one service; raises Failure. Its connection is closed at the end of a `with`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client = _client(access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: object) -> dict[str, Any]:
        return self._json(self._call("GET", path, query))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._json(self._call("POST", path, {}, body))

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._call("PUT", path, {}, body))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(self._call("PATCH", path, {}, body))

    def delete(self, path: str, **query: object) -> dict[str, Any]:
        return self._json(self._call("DELETE", path, query))

    def download(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: object) -> bytes:
        return self._call(method, path, query, body).content

    @contextmanager
    def stream(self, path: str, **query: object) -> Generator[httpx.Response]:
        """An answer that is read while it comes."""
        given = {name: str(value) for name, value in query.items() if value is not None}
        try:
            with self._client.stream("GET", f"/api/v1{path}", params=given) as response:
                if not response.is_success:
                    response.read()
                    raise Failure(_detail(response), _CODES.get(response.status_code, ExitCode.FAILED))
                yield response
        except httpx.HTTPError as error:
            raise Failure(self._explain(error), _UNREACHABLE) from None

    def pages(
        self, path: str, rows: str, limit: int, cursor: str, *, largest: int = PAGE, **query: object
    ) -> dict[str, Any]:
        """Rows of a listing, page after page, up to `limit` (0: all); `cursor` names the query key of a page."""
        found: list[Any] = []
        following: object = query.get(cursor)
        while True:
            size = min(largest, limit - len(found)) if limit else largest
            page = self.get(path, **query | {cursor: following, "limit": size})
            found += page[rows]
            following = page["next"]
            if following is None or (limit and len(found) >= limit):
                return {rows: found, "next": following}

    def _call(
        self, method: str, path: str, query: Mapping[str, object], body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        given = {name: str(value) for name, value in query.items() if value is not None}
        try:
            response = ask(self._client, method, path, given, body)
        except httpx.HTTPError as error:
            unsure = " It may have been carried out: look before you ask again." if may_be_done(error, method) else ""
            raise Failure(self._explain(error) + unsure, _UNREACHABLE) from None
        if response.is_success:
            return response
        raise Failure(_detail(response), _CODES.get(response.status_code, ExitCode.FAILED))

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        try:
            return response.json() if response.content else {}
        except ValueError:
            raise Failure("The service answered with something else than JSON; is this the right URL?") from None

    def _explain(self, error: httpx.HTTPError) -> str:
        match self._access:
            case OverSocket(path):
                return f"The service at {path} did not answer: {_words(error)}."
            case OverHttp(url):
                text = str(error)
                if "CERTIFICATE_VERIFY_FAILED" in text:
                    return (
                        f"The TLS certificate of {url} is not trusted here; if it is of Corral's own authority, give "
                        "--ca FILE (`corral authority show --out FILE` on the installation writes it)."
                    )
                return f"Cannot reach {url}: {_words(error)}."


def _client(access: Access) -> httpx.Client:
    match access:
        case OverSocket(path):
            _knock(path)
            transport = httpx.HTTPTransport(uds=str(path), verify=no_authorities())
            return httpx.Client(transport=transport, base_url="http://corral", timeout=TIMEOUT, trust_env=False)
        case OverHttp(url, token, ca):
            return httpx.Client(
                base_url=url,
                headers={"authorization": f"Bearer {token}"} if token else {},
                timeout=TIMEOUT,
                verify=_context(ca),
                trust_env=not is_loopback(urlsplit(url).hostname or ""),
            )


def _knock(path: Path) -> None:
    """Whether anybody listens, asked here so that each reason gets its own words."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except PermissionError:
            raise Failure(f"{path} belongs to the user that the service runs as; be that user.", _UNREACHABLE) from None
        except OSError:
            raise Failure(
                f"The service does not run: nobody listens at {path}; start it with `corral serve`.", _UNREACHABLE
            ) from None


def _context(ca: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(cadata=ca)
        except ssl.SSLError:
            raise Failure("The file of --ca holds no certificate in PEM.") from None
    return context


def _detail(response: httpx.Response) -> str:
    """What the service says is wrong."""
    try:
        problem = response.json()
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{response.url.copy_with(query=None)} answered {response.status_code} {response.reason_phrase}."


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "it takes too long"
    return str(error).rstrip(".") or type(error).__name__
