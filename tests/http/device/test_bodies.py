import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from corral.http.asgi import BodyTooLarge, ClientGone
from corral.http.device.bodies import Bodies, MadeRoom

SCOPE: dict[str, Any] = {"headers": []}


class Sender:
    """A client that sends what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()

    def send(self, body: bytes, *, more: bool = False) -> None:
        self.queue.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def receive(self) -> MutableMapping[str, Any]:
        return await self.queue.get()


async def begun(bodies: Bodies) -> tuple[Sender, asyncio.Task[bytes]]:
    """A body of which the first half has arrived."""
    sender = Sender()
    sender.send(b"half", more=True)
    reading = asyncio.create_task(bodies.read(SCOPE, sender.receive, 100))
    await asyncio.sleep(0.01)
    return sender, reading


async def test_a_body_may_take_as_long_as_it_likes_with_room_for_all() -> None:
    sender, reading = await begun(Bodies(patience=0))
    sender.send(b"+half")
    assert await reading == b"half+half"


async def test_the_slowest_makes_room_once_and_the_others_go_on() -> None:
    bodies = Bodies(patience=0.05)
    _, slow = await begun(bodies)
    assert not bodies.make_room(), "not before its time"
    await asyncio.sleep(0.06)
    sender, young = await begun(bodies)
    assert bodies.make_room()
    assert not bodies.make_room(), "the young one has time left"
    with pytest.raises(MadeRoom):
        await slow
    sender.send(b"+half")
    assert await young == b"half+half"
    assert not bodies.make_room()


async def test_what_is_read_holds_no_room() -> None:
    bodies = Bodies(patience=0)
    for chunks, error in (((b"x" * 101,), BodyTooLarge), ((b"ok",), None)):
        sender = Sender()
        for chunk in chunks:
            sender.send(chunk)
        if error is None:
            assert await bodies.read(SCOPE, sender.receive, 100) == b"ok"
        else:
            with pytest.raises(error):
                await bodies.read(SCOPE, sender.receive, 100)
    gone = Sender()
    gone.queue.put_nowait({"type": "http.disconnect"})
    with pytest.raises(ClientGone):
        await bodies.read(SCOPE, gone.receive, 100)
    assert not bodies.make_room()


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    _, reading = await begun(Bodies())
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_who_made_room_can_still_answer() -> None:
    bodies = Bodies(patience=0)
    answered: list[str] = []

    async def serve() -> None:
        try:
            await bodies.read(SCOPE, Sender().receive, 100)
        except MadeRoom:
            await asyncio.sleep(0)  # a cancelled task would not get past this
            answered.append("408")

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0.01)
    assert bodies.make_room()
    await serving
    assert answered == ["408"]
