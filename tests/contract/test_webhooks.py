"""Webhooks: found as they were put, held by one, and moved on only by who holds them."""

from dataclasses import replace

import pytest

from contract import values as v
from contract.conftest import Home
from corral.store.store import Store
from corral.store.webhooks import Health, Letter, Letters, Progress, SigningSecret, Webhook

LATER = v.NOW + 15_000


def webhook(name: str = "W1", **more: object) -> Webhook:
    made = Webhook(
        id=name,
        url=f"https://hooks.example.org/{name}",
        secrets=(SigningSecret(key=b"SIGNING SECRET " + name.encode()),),
        created_at=v.NOW,
        created_by="Zoë",
    )
    return replace(made, **more)  # pyright: ignore[reportArgumentType] - a test names its fields


def letter(sequence: int, **more: object) -> Letter:
    made = Letter(sequence=sequence, device_id="D1", connection_id="C1", put_at=v.NOW)
    return replace(made, **more)  # pyright: ignore[reportArgumentType] - a test names its fields


def progress(before: int, passed: int, **more: object) -> Progress:
    made = Progress(before=before, passed=passed, health=Health(succeeded_at=v.NOW))
    return replace(made, **more)  # pyright: ignore[reportArgumentType] - a test names its fields


async def held(store: Store, *webhooks: Webhook) -> None:
    for each in webhooks:
        await store.webhooks.add(each, v.event("webhook.added"))
    assert set(await store.webhooks.lease("me", v.NOW, LATER, 10)) >= {each.id for each in webhooks}


async def test_a_webhook_is_found_as_it_was_put_and_its_secret_is_sealed(home: Home) -> None:
    full = webhook(
        note="Zoë's",
        types=("connection.*", "device.blocked"),
        secrets=(SigningSecret(key=b"NEW SECRET"), SigningSecret(key=b"OLD SECRET", until=v.NOW + 9)),
        passed=7,
    )
    async with home.open() as store:
        await store.webhooks.add(full, v.event("webhook.added"))
        await store.webhooks.add(webhook("W2", created_at=v.NOW + 1), v.event("webhook.added"))
    assert b"SECRET" not in home.raw()
    async with home.open() as store:
        assert await store.webhooks.find("W1") == full
        assert [each.id for each in await store.webhooks.all()] == ["W1", "W2"]
        assert await store.webhooks.find("W3") is None
        assert [each.event.type for each in await store.events.read(0, 9)] == ["webhook.added", "webhook.added"]


async def test_what_can_be_configured_is_and_the_rest_stays(store: Store) -> None:
    await held(store, webhook(passed=5))
    changed = webhook(
        url="https://other.example/",
        note="moved",
        types=("a.b",),
        secrets=(SigningSecret(key=b"other"),),
        disabled_at=v.NOW,
        disabled_why="by hand",
    )
    assert await store.webhooks.configure(changed, v.event("webhook.changed"))
    assert await store.webhooks.find("W1") == replace(changed, passed=5)
    assert not await store.webhooks.configure(webhook("none"), v.event("webhook.changed"))
    assert [each.event.type for each in await store.events.read(0, 9)] == ["webhook.added", "webhook.changed"]


async def test_one_holds_a_webhook_until_its_time_is_over_or_it_is_released(store: Store) -> None:
    await held(store, webhook(), webhook("W2"))
    assert await store.webhooks.lease("other", v.NOW + 1, LATER, 10) == ()
    assert await store.webhooks.held("other", "W1") is None
    await store.webhooks.release("me", ["W2"])
    assert await store.webhooks.lease("other", v.NOW + 1, LATER, 10) == ("W2",)
    assert await store.webhooks.keep("me", LATER + 5) == {"W1"}
    assert await store.webhooks.lease("third", LATER, LATER + 9, 10) == ("W2",)
    assert await store.webhooks.keep("other", LATER + 9) == frozenset()
    found = await store.webhooks.held("third", "W2")
    assert found is not None
    assert found.id == "W2"


async def test_a_disabled_webhook_is_held_by_nobody_until_it_is_enabled(store: Store) -> None:
    await store.webhooks.add(webhook(disabled_at=v.NOW, disabled_why="by hand"), v.event())
    assert await store.webhooks.lease("me", v.NOW, LATER, 10) == ()
    assert await store.webhooks.enable("W1", v.NOW, v.event())
    assert await store.webhooks.lease("me", v.NOW, LATER, 10) == ("W1",)
    assert not await store.webhooks.enable("W1", v.NOW, v.event())


async def test_a_turn_is_written_whole_by_who_holds_the_webhook(store: Store) -> None:
    await held(store, webhook())
    await store.events.append((v.event("one"), v.event("two"), v.event("three")))
    failing = Health(failing_since=v.NOW, paused_until=v.NOW + 5, problem="500")
    kept = (letter(1, attempts=1, tried_at=v.NOW, due_at=v.NOW + 5, problem="500"), letter(2), letter(3))
    assert await store.webhooks.settle("me", "W1", progress(0, 3, health=failing, letters=kept, events=(v.event("x"),)))
    found = await store.webhooks.held("me", "W1")
    assert found == webhook(passed=3, health=failing)
    assert await store.webhooks.waiting("W1", 10) == kept
    assert await store.webhooks.waiting("W1", 2) == kept[:2]
    assert (await store.events.read(0, 99))[-1].event.type == "x"

    dead = replace(kept[1], dead_at=v.NOW + 1)
    assert await store.webhooks.settle("me", "W1", progress(3, 3, letters=(dead,), taken=(1,), all_due=True))
    assert await store.webhooks.waiting("W1", 10) == (letter(3, due_at=0),)
    assert await store.webhooks.dead("W1", None, 10) == (dead,)
    assert await store.webhooks.letters() == {"W1": Letters(1, 1)}


@pytest.mark.parametrize(("holder", "before"), [("other", 0), ("me", 1)])
async def test_a_turn_of_who_holds_it_no_more_or_of_a_rewound_one_changes_nothing(
    store: Store, holder: str, before: int
) -> None:
    await held(store, webhook())
    assert not await store.webhooks.settle(
        holder, "W1", progress(before, 9, letters=(letter(5),), disabled_at=1, events=(v.event("x"),))
    )
    assert await store.webhooks.find("W1") == webhook()
    assert await store.webhooks.waiting("W1", 10) == ()
    assert [each.event.type for each in await store.events.read(0, 99)] == ["webhook.added"]


async def test_a_webhook_that_is_rewound_forgets_the_letters_of_what_comes_again(store: Store) -> None:
    await held(store, webhook())
    letters = (letter(1), letter(2, dead_at=v.NOW), letter(3), letter(4, dead_at=v.NOW))
    assert await store.webhooks.settle("me", "W1", progress(0, 9, letters=letters))
    assert await store.webhooks.rewind("W1", 2, v.event())
    found = await store.webhooks.find("W1")
    assert found is not None
    assert found.passed == 2
    assert await store.webhooks.waiting("W1", 10) == (letter(1),)
    assert [each.sequence for each in await store.webhooks.dead("W1", None, 10)] == [2]


async def test_dead_letters_are_listed_in_pages_and_sent_again(store: Store) -> None:
    await held(store, webhook(), webhook("W2"))
    letters = tuple(letter(n, attempts=9, dead_at=v.NOW, problem="500") for n in range(1, 6))
    for name in ("W1", "W2"):
        assert await store.webhooks.settle("me", name, progress(0, 9, letters=letters))
    assert [each.sequence for each in await store.webhooks.dead("W1", None, 2)] == [5, 4]
    assert [each.sequence for each in await store.webhooks.dead("W1", 4, 9)] == [3, 2, 1]
    assert await store.webhooks.resend("W1", [2, 77], v.NOW + 7, v.event("again")) == 1
    assert await store.webhooks.waiting("W1", 9) == (letter(2, put_at=v.NOW + 7, problem="500"),)
    assert await store.webhooks.resend("W1", [77], v.NOW + 7, v.event("again")) == 0
    assert await store.webhooks.resend("W1", None, v.NOW + 8, v.event("again")) == 4
    assert await store.webhooks.dead("W1", None, 9) == ()
    assert len(await store.webhooks.dead("W2", None, 9)) == 5
    assert [each.event.type for each in await store.events.read(0, 99)].count("again") == 2


async def test_letters_are_gone_with_their_webhook_or_their_event(store: Store) -> None:
    await held(store, webhook(), webhook("W2"))
    there = (await store.events.read(0, 9))[-1].sequence
    for name in ("W1", "W2"):
        assert await store.webhooks.settle("me", name, progress(0, 9, letters=(letter(there), letter(9_999))))
    assert await store.webhooks.forget_orphans(v.NOW, 10) == 2
    assert await store.webhooks.letters() == {"W1": Letters(1, 0), "W2": Letters(1, 0)}
    assert await store.webhooks.remove("W1", v.event())
    assert await store.webhooks.letters() == {"W2": Letters(1, 0)}
    assert not await store.webhooks.remove("W1", v.event())


async def test_events_are_found_by_number_by_device_and_by_time(store: Store) -> None:
    hour = 3_600_000
    await store.events.append(
        tuple(replace(v.event(f"e{n}", device_id=f"D{n % 2}"), at=v.NOW + n * hour) for n in range(6))
    )
    stored = await store.events.read(0, 99)
    assert await store.events.some([stored[1].sequence, stored[4].sequence, 9_999]) == {
        each.sequence: each for each in (stored[1], stored[4])
    }
    assert await store.events.some([]) == {}
    assert [each.event.type for each in await store.events.read(stored[1].sequence, 99, "D1")] == ["e3", "e5"]
    assert await store.events.last() == stored[-1].sequence
    assert await store.events.last_before(v.NOW + 3 * hour) == stored[2].sequence
    assert await store.events.last_before(v.NOW - hour) == 0
    assert await store.events.last_before(v.NOW + 99 * hour) == stored[-1].sequence
