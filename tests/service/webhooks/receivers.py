"""A receiver that is a function: what it is told it keeps, and it answers as a test says."""

from collections.abc import Mapping

import msgspec

from corral.outgoing import Outgoing, OutgoingError, Reply
from corral.outgoing.line import Line, Target
from corral.service.events.document import EventDocument


class FakeLine(Line):
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Receiver(Outgoing):
    """`refuses`: device ids (or event types) whose events are answered so; `down`: nobody is answered at all."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[EventDocument] = []
        self.called: list[EventDocument] = []
        self.ids: list[str] = []
        self.bodies: list[bytes] = []
        self.refuses: dict[str, Reply] = {}
        self.always: Reply | None = None
        self.down = False

    async def open(self, target: Target) -> Line:
        if self.down:
            raise OutgoingError(f"{target.host} cannot be called: nobody is there.")
        return FakeLine()

    async def over(self, line: Line, method: str, headers: Mapping[str, str], body: bytes) -> tuple[Reply, bool]:
        del line
        if self.down:
            raise ConnectionResetError
        assert method == "POST"
        event = msgspec.json.decode(body, type=EventDocument)
        self.ids.append(headers["webhook-id"])
        self.bodies.append(body)
        self.called.append(event)
        reply = self.always or self.refuses.get(event.device_id or "") or self.refuses.get(event.type)
        if reply is not None and not 200 <= reply.status < 300:
            return reply, True
        self.taken.append(event)
        return Reply(204, {}, b""), True

    @property
    def numbers(self) -> list[int]:
        """Of the events that were taken, as the tests number them."""
        return [each.data["n"] for each in self.taken if each.data.get("n")]


def answer(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")
