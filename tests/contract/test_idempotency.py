"""Requests under a key: begun once, marked by what they change, and answered alike for as long as the key is kept."""

import asyncio
from dataclasses import replace

import pytest

from contract import values as v
from contract.conftest import Home
from contract.test_audit import ANN
from corral.lifecycle.actor import act_as
from corral.lifecycle.change import Change, Event
from corral.store.devices import Committed, DeviceStore
from corral.store.errors import AttemptLost
from corral.store.idempotency import Asked, KeptAnswer, Known, TooManyKeys
from corral.store.store import Store

ASKED = Asked("token:T1", "key", b"what is asked")
ANSWER = KeptAnswer(201, "application/json", b'{"token": "SECRET-TOKEN"}')
REFUSED = KeptAnswer(409, "application/problem+json", b"{}")


async def begin(store: Store, attempt: str, asked: Asked = ASKED, now: int = v.NOW) -> Known | None:
    return await store.idempotency.begin(asked, attempt, now=now, held_until=now + 1000, expires_at=now + 10_000)


def told(attempt: str, type_: str = "policy.changed") -> tuple[Event, ...]:
    with act_as(replace(ANN, attempt=attempt)):
        return (v.event(type_, device_id=None, connection_id=None),)


async def test_a_key_is_begun_once_and_answered_alike_afterwards(store: Store) -> None:
    assert await begin(store, "A1") is None
    assert await begin(store, "A2") == Known(ASKED.digest, running=True, answer=None)
    await store.idempotency.finish("A1", ANSWER)
    assert await begin(store, "A3") == Known(ASKED.digest, running=False, answer=ANSWER)
    assert await begin(store, "A4", replace(ASKED, digest=b"other"), v.NOW + 9999) == Known(ASKED.digest, False, ANSWER)


async def test_another_caller_and_another_key_are_other_requests(store: Store) -> None:
    assert await begin(store, "A1") is None
    assert await begin(store, "A2", replace(ASKED, caller="token:T2")) is None
    assert await begin(store, "A3", replace(ASKED, key="another")) is None


async def test_of_many_at_once_one_begins(store: Store) -> None:
    found = await asyncio.gather(*(begin(store, f"A{number}") for number in range(20)))
    assert [each for each in found if each is not None] == [Known(ASKED.digest, True, None)] * 19


async def test_a_failure_that_has_changed_nothing_leaves_the_key_free(store: Store) -> None:
    assert await begin(store, "A1") is None
    await store.idempotency.finish("A1", REFUSED)
    assert await begin(store, "A2", replace(ASKED, digest=b"corrected")) is None


async def test_a_failure_after_a_change_is_kept(store: Store) -> None:
    assert await begin(store, "A1") is None
    await store.vault.put_secret("policy", b"{}", told("A1"))
    await store.idempotency.finish("A1", REFUSED)
    assert await begin(store, "A2") == Known(ASKED.digest, False, REFUSED)


async def test_who_died_before_a_change_is_followed_and_who_died_after_it_is_not(store: Store) -> None:
    assert await begin(store, "A1") is None
    later = v.NOW + 1000
    assert await begin(store, "A2", replace(ASKED, digest=b"other"), later) == Known(ASKED.digest, False, None)
    assert await begin(store, "A2", now=later) is None
    await store.vault.put_secret("policy", b"{}", told("A2"))
    assert await begin(store, "A3", now=later + 1000) == Known(ASKED.digest, False, None)


async def test_whoever_goes_on_says_so(store: Store) -> None:
    assert await begin(store, "A1") is None
    await store.idempotency.hold("A1", v.NOW + 5000)
    assert await begin(store, "A2", now=v.NOW + 4999) == Known(ASKED.digest, True, None)
    assert await begin(store, "A3", now=v.NOW + 5000) is None


async def test_who_was_followed_changes_nothing_any_more(store: Store) -> None:
    """A process that stood still for too long must not do again what another has done in its place."""
    assert await begin(store, "A1") is None
    assert await begin(store, "A2", now=v.NOW + 1000) is None
    with pytest.raises(AttemptLost):
        await store.vault.put_secret("policy", b"late", told("A1"))
    await store.vault.put_secret("policy", b"in its place", told("A2"))
    assert await store.vault.get_secret("policy") == b"in its place"
    assert len(await store.events.read(0, 10)) == 1
    await store.idempotency.finish("A1", ANSWER)
    assert await begin(store, "A3", now=v.NOW + 1001) == Known(ASKED.digest, True, None)


async def test_it_takes_nobody_along_who_shares_its_commit(fleet: Store) -> None:
    devices: DeviceStore = fleet.devices
    lost = Change(device_id="D1", expects=1, device=v.device("D1"), events=told("gone", "device.blocked"), at=v.NOW)
    others = [
        Change(device_id=name, expects=1, device=v.device(name), events=(v.event(device_id=name),), at=v.NOW)
        for name in ("D2", "D3")
    ]
    outcomes = await asyncio.gather(*map(devices.commit, (lost, *others)), return_exceptions=True)
    assert isinstance(outcomes[0], AttemptLost)
    assert outcomes[1:] == [Committed(), Committed()]


@pytest.mark.parametrize("answer", [ANSWER, KeptAnswer(204, "", b"")])
async def test_an_answer_outlives_the_process_and_is_sealed(home: Home, answer: KeptAnswer) -> None:
    async with home.open() as store:
        assert await begin(store, "A1") is None
        await store.idempotency.finish("A1", answer)
    async with home.open() as store:
        assert await begin(store, "A2") == Known(ASKED.digest, False, answer)
    assert b"SECRET-TOKEN" not in home.raw()


async def test_what_is_too_large_is_not_kept_but_that_it_was_done(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.store.idempotency_rows.LARGEST_KEPT", 10)
    assert await begin(store, "A1") is None
    await store.idempotency.finish("A1", ANSWER)
    assert await begin(store, "A2") == Known(ASKED.digest, False, replace(ANSWER, body=None))


async def test_keys_are_forgotten_when_their_time_is_over(store: Store) -> None:
    for number in range(3):
        assert await begin(store, f"A{number}", replace(ASKED, key=f"key {number}"), v.NOW + number) is None
    assert await store.idempotency.forget_expired(v.NOW + 9999, 10) == 0
    assert await store.idempotency.forget_expired(v.NOW + 10_002, 2) == 2
    assert await begin(store, "A9", replace(ASKED, key="key 2", digest=b"x"), v.NOW + 10_002) is None, "it is over"


async def test_nobody_fills_the_database_with_keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"corral.store.{type(store).__module__.split('.')[2]}.idempotency.MOST_KEPT", 2)
    assert await begin(store, "A1", replace(ASKED, key="1")) is None
    assert await begin(store, "A2", replace(ASKED, key="2")) is None
    with pytest.raises(TooManyKeys):
        await begin(store, "A3", replace(ASKED, key="3"))
    assert await begin(store, "A4", replace(ASKED, key="2")) == Known(ASKED.digest, True, None)
    assert await begin(store, "A5", Asked("token:T2", "3", b"")) is None
