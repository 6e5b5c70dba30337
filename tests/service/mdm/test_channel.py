"""The command channel: ordinary traffic passes in one exchange, and no report that can be attributed is refused."""

import pytest

from corral.apple import plist
from corral.apple.checkin import ReturnToService
from corral.lifecycle.change import Answer, Change, Enqueue
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import MINUTE, Consequence, DeliveryState, Phase
from corral.service.mdm.channel import Channel
from corral.service.mdm.checkin import CheckIn
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.token_services import TokenServices
from corral.service.mdm.transitions import Transitions
from corral.store.contacts import Attempt
from corral.store.devices import Ask, Next
from lifecycle import arrange as a
from lifecycle.memory import MemoryStore
from service.fakes import Clock, FakeContacts


class Returns:
    async def answer(self, asked: ReturnToService) -> Answer:
        return Answer(200, f"{asked.speaker.device_id} may".encode())


class Service:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.store.devices[a.UDID] = a.device()
        self.store.connections["life"] = a.life()
        self.store.channels["life"] = a.channel()
        self.store.certificates[a.FINGERPRINT] = a.certificate(grant_id=None)
        clock, policy, self.contacts = Clock(a.NOW), Policy(), FakeContacts()
        self.book = ContactBook(self.contacts, clock)
        transitions = Transitions(self.store, self.book, policy, clock)
        self.channel = Channel(self.store, transitions, self.book, policy, clock)
        self.checkin = CheckIn(transitions, TokenServices({}), Returns())

    async def queue(self, uuid: str, consequence: Consequence = Consequence.PLAIN) -> None:
        queued = Enqueue(
            channel_id="life",
            command_uuid=uuid,
            request_type="X",
            body=f"<{uuid}/>".encode(),
            consequence=consequence,
        )
        await self.store.commit(Change(enqueue=(queued,)))

    async def say(self, **keys: plist.PlistValue) -> tuple[int, bytes]:
        return await self.say_bytes(plist.dump({"UDID": a.UDID, **keys}))

    async def say_bytes(self, body: bytes) -> tuple[int, bytes]:
        answer = await self.channel.answer(body, a.identity())
        return answer.status, answer.body


async def test_a_poll_gets_the_next_command_and_is_noted() -> None:
    service = Service()
    await service.queue("one")
    assert await service.say(Status="Idle") == (200, b"<one/>")
    await service.book.flush()
    assert [each.channel_id for each in service.contacts.heard] == ["life"]
    assert service.contacts.attempts == [Attempt(channel_id="life", command_uuid="one", at=a.NOW)]
    assert service.store.events == []


async def test_a_poll_with_nothing_to_do_gets_zero_bytes() -> None:
    assert await Service().say(Status="Idle") == (200, b"")


async def test_a_result_is_kept_raw_and_answered_with_the_next() -> None:
    service = Service()
    await service.queue("one")
    await service.queue("two")
    body = plist.dump({"UDID": a.UDID, "Status": "Acknowledged", "CommandUUID": "one", "Answer": 42})
    assert await service.say_bytes(body) == (200, b"<two/>")
    result = service.store.results["life", "one"]
    assert (result.body, result.unreadable, result.received_at) == (body, False, a.NOW)


async def test_a_not_now_is_not_offered_again_at_once() -> None:
    service = Service()
    await service.queue("one")
    assert await service.say(Status="NotNow", CommandUUID="one") == (200, b"")
    delivery = service.store.deliveries["life", "one"]
    assert (delivery.state, delivery.not_now_count) == (DeliveryState.OPEN, 1)
    assert await service.say(Status="Idle") == (200, b"<one/>")


async def test_the_exchange_is_told_when_to_push_again_and_carries_no_idle_body() -> None:
    asks: list[Ask] = []

    class Asking(MemoryStore):
        async def exchange(self, ask: Ask) -> Next:
            asks.append(ask)
            return Next("life")

    service = Service()
    store = Asking()
    transitions = Transitions(store, service.book, Policy(), Clock(a.NOW))
    service.channel = Channel(store, transitions, service.book, Policy(not_now_push=3 * MINUTE), Clock(a.NOW))
    await service.say(Status="NotNow", CommandUUID="one")
    await service.say(Status="Idle")
    first, second = asks
    assert (first.push_again_at, first.now) == (a.NOW + 3 * MINUTE, a.NOW)
    assert first.contact.command_uuid == "one"
    assert first.contact.named == "life"
    assert first.contact.breaker_since == a.NOW - Policy().breaker_window
    assert first.body
    assert second.body == b""


@pytest.mark.parametrize("broken", [b"\x00", b"\x01\x0b", b"&#0;", b"\xff\xfe"])
async def test_a_report_that_can_be_attributed_is_kept_however_broken(broken: bytes) -> None:
    service = Service()
    await service.queue("one")
    body = plist.dump({"UDID": a.UDID, "Status": "Acknowledged", "CommandUUID": "one", "Name": "here"})
    body = body.replace(b"here", b"he" + broken + b"re")
    assert await service.say_bytes(body) == (200, b"")
    result = service.store.results["life", "one"]
    assert (result.body, result.unreadable) == (body, True)
    assert service.store.deliveries["life", "one"].state is DeliveryState.ACKNOWLEDGED


@pytest.mark.parametrize("body", [b"", b"garbage", plist.dump({"Status": "Idle"}), plist.dump({"UDID": a.UDID})])
async def test_what_cannot_be_attributed_is_400_and_changes_nothing(body: bytes) -> None:
    service = Service()
    status, answer = await service.say_bytes(body)
    assert (status, answer) == (400, b"")
    assert service.store.results == {}


async def test_what_has_a_consequence_becomes_a_transition() -> None:
    service = Service()
    await service.queue("erase", Consequence.ERASE_DEVICE)
    await service.queue("two")
    assert await service.say(Status="Acknowledged", CommandUUID="erase") == (200, b"<two/>")
    assert service.store.connections["life"].erasing_at == a.NOW
    assert ("life", "erase") in service.store.results


async def test_a_broken_report_keeps_its_mark_in_a_transition_too() -> None:
    service = Service()
    await service.queue("erase", Consequence.ERASE_DEVICE)
    body = plist.dump({"UDID": a.UDID, "Status": "Error", "CommandUUID": "erase", "Name": "here"})
    await service.say_bytes(body.replace(b"here", b"\x00"))
    assert service.store.results["life", "erase"].unreadable


# Check-in


async def test_a_check_in_is_decided_and_answered() -> None:
    service = Service()
    message = {"MessageType": "CheckOut", "UDID": a.UDID, "Topic": a.TOPIC}
    answer = await service.checkin.answer(plist.dump(message), a.identity())
    assert answer.status == 200
    assert service.store.connections["life"].phase is Phase.ENDED


@pytest.mark.parametrize(
    "body", [b"", b"garbage", plist.dump({"MessageType": "Unheard", "UDID": a.UDID}), plist.dump({"UDID": a.UDID})]
)
async def test_a_check_in_that_is_not_understood_is_400_in_one_line(body: bytes) -> None:
    service = Service()
    answer = await service.checkin.answer(body, a.identity())
    assert answer.status == 400
    assert "\n" not in answer.reason
    assert service.store.events == []


async def test_only_a_connected_device_is_told_how_to_return_to_service() -> None:
    service = Service()
    message = plist.dump({"MessageType": "ReturnToService", "UDID": a.UDID})
    assert (await service.checkin.answer(message, a.identity())).body == f"{a.UDID} may".encode()
    service.store.connections["life"] = a.life(phase=Phase.ENDING)
    assert plist.parse_dict((await service.checkin.answer(message, a.identity())).body) == {
        "ReturnToService": {"Enabled": False}
    }
