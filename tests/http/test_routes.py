"""The front door: what is answered there, and what is noted of it."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import Route

from corral.http.asgi import GOES_ON, Receive, Scope
from corral.http.routes import front
from corral.lifecycle.change import Answer
from corral.logs.requests import ANSWERING


class Door:
    """Asks at a front door and keeps what it notes."""

    def __init__(self) -> None:
        self.answered: list[tuple[str, int]] = []
        self.told: list[tuple[str, int]] = []
        self.named: list[object] = []
        self.gone = False
        self.app = front({"/mdm": self._mdm}, [Route("/page/{name}", self._page)], self._answered, self._told)

    async def ask(self, path: str) -> list[MutableMapping[str, Any]]:
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return sent

    async def _mdm(self, scope: Scope, receive: Receive) -> Answer | None:
        del receive
        assert ANSWERING.get() is scope
        return None if self.gone else Answer(503, reason="Not now.")

    async def _page(self, request: Any) -> Response:
        self.named.append(ANSWERING.get())
        if request.path_params["name"] == "stream":
            request.scope[GOES_ON] = True
        return Response("page", 201)

    def _answered(self, path: str, status: int, seconds: float) -> None:
        assert 0 < seconds < 10
        self.answered.append((path, status))

    def _told(self, scope: Scope, status: int, seconds: float) -> None:
        assert seconds > 0
        self.told.append((scope["path"], status))


async def test_a_direct_answer_is_sent_and_noted() -> None:
    door = Door()
    head, body = await door.ask("/mdm")
    assert (head["status"], body["body"]) == (503, b"Not now.\n")
    assert (b"retry-after", b"30") in head["headers"]
    assert door.answered == door.told == [("/mdm", 503)]


async def test_who_has_hung_up_is_not_answered_and_not_noted() -> None:
    door = Door()
    door.gone = True
    assert await door.ask("/mdm") == []
    assert door.answered == door.told == []


@pytest.mark.parametrize(("path", "status"), [("/page/one", 201), ("/nothing", 404), ("/mdm/", 404)])
async def test_what_is_routed_is_noted_by_what_was_answered(path: str, status: int) -> None:
    door = Door()
    assert (await door.ask(path))[0]["status"] == status
    assert door.answered == door.told == [(path, status)]


async def test_of_an_answer_that_goes_on_the_time_says_nothing() -> None:
    door = Door()
    await door.ask("/page/stream")
    assert door.answered == []
    assert door.named[0] is not None
