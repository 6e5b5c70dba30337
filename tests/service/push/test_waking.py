"""A push because somebody wants to hear from a device now."""

import pytest

from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Phase
from corral.service.errors import NotFound
from corral.service.push.waking import Waking
from lifecycle import arrange as a
from service.commands.test_commanding import FakeDirectory, detail
from service.fakes import NOW, Clock, FakeEvents, FakeWork


async def test_all_channels_of_the_life_are_pushed_to() -> None:
    work, events = FakeWork(), FakeEvents()
    waking = Waking(FakeDirectory(detail("A", users=("ANN",))), work, events, Clock())
    assert await waking.wake("A", "ann") == 2
    assert work.due == {("push", "life of A"): NOW, ("push", "life of A/ANN"): NOW}
    assert events.kinds == ["device.woken"]


async def test_who_is_not_there_is_not_pushed_to() -> None:
    work, events = FakeWork(), FakeEvents()
    waking = Waking(FakeDirectory(detail("B", a.life("old", phase=Phase.ENDED))), work, events, Clock())
    with pytest.raises(NotFound):
        await waking.wake("A", "ann")
    with pytest.raises(OperationRefused):
        await waking.wake("B", "ann")
    assert (work.due, events.told) == ({}, [])
