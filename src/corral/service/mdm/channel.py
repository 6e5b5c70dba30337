"""The command channel: a device polls or reports, and gets its next command."""

from collections.abc import Callable
from functools import lru_cache

from corral.apple.given import may_give
from corral.apple.plist import PlistError
from corral.apple.report import Report, ReportError, Status, read_lenient, read_report
from corral.lifecycle.change import Answer
from corral.lifecycle.evidence import Identity
from corral.lifecycle.message import Reported
from corral.lifecycle.policy import Policy
from corral.service.clock import Clock
from corral.service.mdm.contacts import ContactBook
from corral.service.mdm.transitions import Transitions, command_answer
from corral.service.tracing import UNTRACED, Traces
from corral.store.devices import Ask, Contact, DeviceStore, Next

POLL = 1024
"""Bodies up to so many bytes are read once and remembered: a device's polls are the same to the byte."""

_read_poll = lru_cache(16_384)(read_report)


class Channel:
    """Ordinary traffic is one shared statement (`exchange`); what it does not let pass becomes a transition."""

    def __init__(
        self,
        devices: DeviceStore,
        transitions: Transitions,
        contacts: ContactBook,
        policy: Policy,
        clock: Clock,
        traces: Traces = UNTRACED,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """`heard` is called when an answer has been stored that somebody may want to read."""
        self._devices = devices
        self._transitions = transitions
        self._contacts = contacts
        self._policy = policy
        self._clock = clock
        self._traces = traces
        self._heard = heard

    async def answer(self, body: bytes, identity: Identity) -> Answer:
        """The next command, or an empty body; raises StoreUnavailable.

        A report that can be attributed is kept and answered 200 however broken it is: devices send control
        characters and bad UTF-8, and repeat for ever what is not taken.
        """
        unreadable = False
        try:
            report = _read_poll(body) if len(body) <= POLL else read_report(body)
        except (ReportError, PlistError) as error:
            repaired = _read_broken(body)
            if repaired is None:
                return Answer(400, reason=f"Report not understood: {error}")
            report, unreadable = repaired, True
        now = self._clock()
        speaker = report.speaker
        contact = Contact(
            fingerprint=identity.fingerprint,
            device_id=speaker.device_id,
            user_id=speaker.user_id,
            named=identity.connection_id,
            command_uuid=report.command_uuid,
            breaker_since=now - self._policy.breaker_window,
        )
        ask = Ask(
            contact=contact,
            status=report.status,
            body=b"" if report.status is Status.IDLE else body,
            unreadable=unreadable,
            now=now,
            push_again_at=now + self._policy.not_now_push,
        )
        # A result that gives secrets into keeping is more than ordinary traffic.
        gives = report.status is Status.ACKNOWLEDGED and may_give(body)
        outcome = await self._devices.load(contact) if gives else await self._devices.exchange(ask)
        if isinstance(outcome, Next):
            self._contacts.note(outcome.channel_id, outcome.command_uuid)
            if outcome.answered is not None:
                self._follow_result(outcome.answered, report)
            if outcome.trace is not None:
                self._traces.deliver(outcome.trace, speaker.device_id, outcome.command_uuid)
            if report.status is Status.ACKNOWLEDGED:
                self._heard()
            return command_answer(outcome.body)
        message = Reported(report, body, unreadable)
        answer = await self._transitions.answer(contact, message, identity, outcome)
        if outcome.delivery is not None and outcome.delivery.trace is not None:
            self._follow_result(outcome.delivery.trace, report)
        self._heard()
        return answer

    def _follow_result(self, traceparent: str, report: Report) -> None:
        self._traces.result(traceparent, report.speaker.device_id, report.command_uuid or "", report.status)


def _read_broken(body: bytes) -> Report | None:
    try:
        return read_lenient(body)
    except (ReportError, PlistError):
        return None
