"""The command line asks again where a connection broke, under one key, so that nothing is done twice."""

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from corral.cli.failure import Failure
from corral.cli.reach import asking_again
from corral.cli.reach.access import OverHttp
from corral.cli.reach.api import Api
from corral.http.admin.routes import ENDPOINTS

DONE = (201, {"id": "made"})
UNDER_WAY = (409, {"type": "/api/v1/docs#problem-under-way", "detail": "still under way"})
LOST = (409, {"type": "/api/v1/docs#problem-answer-lost", "detail": "has been carried out"})
TOO_MANY = (429, {"type": "/api/v1/docs#problem-too-many-keys", "detail": "too many"})


@dataclass
class Script:
    """A service that hangs up (None) or answers, as it is told; and what it has heard."""

    answers: list[tuple[int, dict[str, str]] | None]
    heard: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def serve(self, listener: socket.socket) -> None:
        for answer in self.answers:
            connection, _ = listener.accept()
            with connection:
                head = connection.recv(65536).decode()
                key = next((line for line in head.split("\r\n") if line.lower().startswith("idempotency-key")), "")
                self.heard.append((head.partition(" HTTP")[0], key))
                if answer is not None:
                    body = json.dumps(answer[1]).encode()
                    lines = f"HTTP/1.1 {answer[0]} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
                    connection.sendall(lines.encode() + body)
        listener.close()


@contextmanager
def scripted(*answers: tuple[int, dict[str, str]] | None) -> Generator[tuple[Api, Script]]:
    script = Script([*answers])
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    port = listener.getsockname()[1]
    serving = threading.Thread(target=script.serve, args=(listener,), daemon=True)
    serving.start()
    with Api(OverHttp(f"http://127.0.0.1:{port}", "token")) as api:
        yield api, script


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_again, "PAUSE", 0.01)
    monkeypatch.setattr(asking_again, "PATIENCE", 0.1)


VERBS: dict[str, Callable[[Api], object]] = {
    "POST": lambda api: api.post("/links", {}),
    "PUT": lambda api: api.put("/policy", {}),
    "PATCH": lambda api: api.patch("/webhooks/1", {}),
    "DELETE": lambda api: api.delete("/links/1"),
}


@pytest.mark.parametrize("method", sorted(VERBS))
def test_what_changes_something_is_asked_again_under_the_same_key(method: str) -> None:
    with scripted(None, UNDER_WAY, None, DONE) as (api, script):
        assert VERBS[method](api) == DONE[1]
    assert len(script.heard) == 4
    assert len(set(script.heard)) == 1
    assert script.heard[0][0].startswith(method)
    assert script.heard[0][1], "it has a key"


def test_each_request_has_a_key_of_its_own() -> None:
    with scripted(DONE, DONE) as (api, script):
        for _ in range(2):
            api.post("/links", {})
    assert len(set(script.heard)) == 2


def test_a_look_is_asked_again_without_a_key() -> None:
    with scripted(None, DONE) as (api, script):
        assert api.get("/links") == DONE[1]
    assert [key for _, key in script.heard] == ["", ""]


def test_that_it_was_done_and_the_answer_is_lost_is_told() -> None:
    with scripted(None, LOST) as (api, _), pytest.raises(Failure, match="has been carried out"):
        api.post("/links", {})


def test_where_nothing_comes_back_it_is_said_that_it_may_be_done() -> None:
    with scripted(None) as (api, _), pytest.raises(Failure, match="may have been carried out"):
        api.post("/links", {})


def test_a_sign_in_has_no_key_and_is_not_asked_again() -> None:
    with scripted(None) as (api, script), pytest.raises(Failure):
        api.post("/sessions", {})
    assert [key for _, key in script.heard] == [""]


def test_whoever_has_too_many_keys_asks_without_one() -> None:
    with scripted(TOO_MANY, DONE) as (api, script):
        assert api.post("/links", {}) == DONE[1]
    assert [bool(key) for _, key in script.heard] == [True, False]


def test_the_service_takes_a_key_wherever_one_is_sent() -> None:
    without = asking_again._WITHOUT_KEY  # pyright: ignore[reportPrivateUsage] - it has to be right
    refusing = {each.path for each in ENDPOINTS if each.method != "GET" and not each.takes_key}
    assert without == refusing
