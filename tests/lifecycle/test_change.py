"""Changes as values: put together without loss, and silent about secrets."""

from dataclasses import fields, replace
from typing import Any

import pytest

from corral.apple.report import Status
from corral.lifecycle.change import NOTHING, Answer, Change, Enqueue, Escrow, Event, Result, Room, Work, merge, news
from corral.lifecycle.message import Reported
from corral.lifecycle.state import Consequence, EscrowKind, Phase
from lifecycle import arrange as a

SECRET = "very secret"
RESULT = Result(channel_id="life", command_uuid="c", status=Status.ERROR, body=SECRET.encode(), received_at=a.NOW)
ENQUEUE = Enqueue(
    channel_id="life", command_uuid="c", request_type="X", body=SECRET.encode(), consequence=Consequence.PLAIN
)
FULL = Change(
    device_id=a.UDID,
    expects=7,
    device=a.device(),
    connections=(a.life(),),
    channels=(a.channel(token=SECRET.encode(), magic=SECRET),),
    certificates=(a.certificate(),),
    grant=a.grant(),
    link_used="link",
    escrow=(Escrow(connection_id="life", kind=EscrowKind.UNLOCK_TOKEN, value=SECRET.encode(), at=a.NOW),),
    result=RESULT,
    enqueue=(ENQUEUE,),
    silence=("older",),
    retire=("life", b"fingerprint"),
    at=a.NOW,
    unenrolling="life",
    room=Room(a.NOW, 3),
    trip_breaker=True,
    events=(Event(type="x", at=a.NOW),),
    work=(Work(kind="push", key="life", due_at=a.NOW),),
)
NAMES = [field.name for field in fields(Change)]
FENCE = ("device_id", "expects")


def test_every_field_is_in_the_example() -> None:
    assert all(getattr(FULL, name) != getattr(NOTHING, name) for name in NAMES)


def test_nothing_is_lost_when_it_is_merged_with_nothing() -> None:
    assert merge(NOTHING, FULL) == FULL
    assert merge(FULL, NOTHING) == FULL


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FENCE])
def test_no_field_is_lost_whichever_change_it_is_of(name: str) -> None:
    values: dict[str, Any] = {name: getattr(FULL, name)}
    alone = replace(NOTHING, **values)
    other = Change(device_id=a.UDID, expects=7)
    for merged in (merge(alone, other), merge(other, alone)):
        assert getattr(merged, name) == getattr(FULL, name)
        assert (merged.device_id, merged.expects) == (a.UDID, 7)


def test_later_rows_win_and_lists_are_kept_in_order() -> None:
    later = replace(
        FULL,
        device=a.device(name="later"),
        connections=(a.life(phase=Phase.ENDED), a.life("other")),
        channels=(a.channel(token=b"later"),),
        certificates=(a.certificate(heard_at=a.NOW),),
        events=(Event(type="y", at=a.NOW),),
        silence=("life",),
        at=a.NOW + 1,
    )
    merged = merge(FULL, later)
    assert merged.device == later.device
    assert merged.connections == later.connections
    assert merged.channels == later.channels
    assert merged.certificates == later.certificates
    assert a.kinds(merged) == ["x", "y"]
    assert merged.silence == ("older", "life")
    assert merged.enqueue == (ENQUEUE, ENQUEUE)
    assert merged.at == a.NOW + 1


def test_what_stays_as_it_was_read_is_not_written_again() -> None:
    snapshot = a.seen(lives=(a.life(), a.life("older", phase=Phase.ENDED)))
    assert snapshot.device is not None
    ended = a.life(phase=Phase.ENDED)
    change = replace(FULL, device=snapshot.device, connections=(a.life(), a.life("new")))
    assert news(change, snapshot) == replace(change, device=None, connections=(a.life("new"),))
    changed = replace(change, device=a.device(name="another"), connections=(ended, a.life("new")))
    assert news(changed, snapshot) == changed
    assert news(NOTHING, snapshot) == NOTHING


def test_a_change_is_empty_if_nothing_would_be_written() -> None:
    assert NOTHING.is_empty
    assert Change(device_id=a.UDID, expects=7, at=a.NOW).is_empty
    for name in NAMES:
        if name not in (*FENCE, "at"):
            values: dict[str, Any] = {name: getattr(FULL, name)}
            assert not replace(NOTHING, **values).is_empty, name


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        RESULT,
        a.seen(escrow={EscrowKind.BOOTSTRAP_TOKEN: SECRET.encode()}, channel=a.channel(magic=SECRET)),
        a.token_update(token=SECRET.encode(), push_magic=SECRET, unlock_token=SECRET.encode()),
        Reported(a.IDLE.report, SECRET.encode()),
        Answer(200, SECRET.encode()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_secret_is_in_a_representation(value: object) -> None:
    assert SECRET not in repr(value)
