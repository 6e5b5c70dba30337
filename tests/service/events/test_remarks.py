"""What can come with every message is told once in a while, in bounded memory."""

from corral.lifecycle.change import Event
from corral.service.events.remarks import AGAIN_AFTER, MOST, Remarks
from service.fakes import NOW

STILL_HERE = Event(type="connection.still-here", at=NOW, device_id="UDID-1", connection_id="C1")
RENEWED = Event(type="connection.renewed", at=NOW)
WHO, OTHER = b"one certificate", b"another"


def test_a_remark_is_told_again_only_after_a_while() -> None:
    remarks = Remarks()
    assert remarks.thin((STILL_HERE,), WHO, NOW) == (STILL_HERE,)
    remarks.tell((STILL_HERE,), WHO, NOW)
    assert remarks.thin((STILL_HERE,), WHO, NOW + AGAIN_AFTER - 1) == ()
    assert remarks.thin((STILL_HERE,), WHO, NOW + AGAIN_AFTER) == (STILL_HERE,)
    assert remarks.thin((STILL_HERE,), OTHER, NOW) == (STILL_HERE,)


def test_what_was_not_written_was_not_told() -> None:
    remarks = Remarks()
    remarks.thin((STILL_HERE,), WHO, NOW)
    assert remarks.thin((STILL_HERE,), WHO, NOW) == (STILL_HERE,)


def test_what_changes_something_is_always_told() -> None:
    remarks = Remarks()
    remarks.tell((RENEWED, STILL_HERE), WHO, NOW)
    assert remarks.thin((RENEWED, STILL_HERE, RENEWED), WHO, NOW) == (RENEWED, RENEWED)


def test_whoever_claims_many_devices_is_one_remark() -> None:
    """The memory of the service is not a stranger's to fill, nor its history."""
    remarks = Remarks()
    for number in range(5):
        claim = Event(
            type="connection.clone-refused",
            at=NOW,
            device_id="owner",
            connection_id="C1",
            data={"claimed_device_id": f"UDID-{number}"},
        )
        assert len(remarks.thin((claim,), WHO, NOW)) == (1 if number == 0 else 0)
        remarks.tell((claim,), WHO, NOW)


def test_another_reason_is_another_remark() -> None:
    remarks = Remarks()
    refused = [Event(type="connection.refused", at=NOW, data={"why": why}) for why in ("expired", "used")]
    remarks.tell((refused[0],), WHO, NOW)
    assert remarks.thin(tuple(refused), WHO, NOW) == (refused[1],)


def test_memory_is_bounded() -> None:
    remarks = Remarks()
    for number in range(MOST + 100):
        remarks.told(number, NOW)
    assert remarks.is_due(99, NOW), "the oldest are forgotten"
    assert not remarks.is_due(100, NOW)
    remarks.told(100, NOW + 1)
    remarks.told("new", NOW + 1)
    assert not remarks.is_due(100, NOW + 1), "what was told just now is not the oldest"
