"""What every attack is played before: an honest owner, and a service of which nothing else may change."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.transport import Response
from e2e.installation import Installation, until
from e2e.messages import enrollment_of
from e2e.wire import Reply, being_pushed, contents

TEXT = "text/plain; charset=utf-8"
EVENTS = frozenset({"event", "audit", "audit_end", "sqlite_sequence"})
"""Tables that are looked at by what was told, not by their rows: the trail is linked some time afterwards."""


@dataclass(frozen=True, slots=True)
class Scene:
    """`owner` is connected, and has nothing to do."""

    at: Installation
    owner: Device

    @classmethod
    async def of(cls, at: Installation, model: Model = Model.IPHONE, system: str = "18.2", **behaviour: Any) -> "Scene":
        """With an owner of its own, who has been pushed to for the first time."""
        owner = await at.enrolled(model, system, **behaviour)
        await until(lambda: not being_pushed(at))
        return cls(at, owner)

    async def another(self, model: Model = Model.IPHONE, system: str = "18.2", **behaviour: Any) -> Device:
        """A device that is connected, and has been pushed to: what Apple says to that comes later than its farewell."""
        return (await Scene.of(self.at, model, system, **behaviour)).owner

    @asynccontextmanager
    async def unharmed(
        self, *events: str, changes: Collection[str] = (), perhaps: Collection[str] = ()
    ) -> AsyncGenerator[None]:
        """Around an attack: of all that is kept no row changes but in these tables, events of these types are told
        and of no others, and the owner gets a command and answers it as before.

        `perhaps` are events that come once in a while, so that a stranger cannot fill the history.
        """
        await until(lambda: not being_pushed(self.at))
        before, cursor = contents(self.at), await self.at.cursor()
        yield
        after = contents(self.at)
        changed = {table: set(after[table]) ^ set(before[table]) for table in after if after[table] != before[table]}
        unlike = {table: rows for table, rows in changed.items() if table not in EVENTS and table not in changes}
        assert not unlike, unlike
        told = {each["type"] for each in await self.at.events(cursor)}
        assert told - set(perhaps) == set(events), told
        await self.works()

    async def works(self) -> None:
        """The owner gets a command, and answers it."""
        names = enrollment_of(self.owner).device.names
        asked = {"devices": [names.get("UDID") or names["EnrollmentID"]], "request_type": "ProfileList"}
        sent = await self.at.post("/commands", **asked)
        assert sent["queued"] == 1, sent
        await self.owner.poll()
        assert (await self.at.outcome(sent["command_uuid"]))["delivery"]["state"] == "acknowledged"
        assert self.owner.complaints == []


def refused(answer: Response | Reply, status: int, why: str) -> None:
    """This very sentence and nothing else: no document, no challenge, no trace of what is inside."""
    body = answer.body.decode()
    assert (answer.status, body) == (status, f"{why}\n"), (answer.status, body)
    assert answer.headers["content-type"] == TEXT
    assert "www-authenticate" not in answer.headers


CLONE = "This identity belongs to another device; remove the profile and enroll this device."
UNKNOWN = "This identity belongs to no connection here; enroll the device again."
