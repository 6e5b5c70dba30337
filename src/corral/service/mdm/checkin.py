"""Check-in: every message by which a device begins, describes and ends its connection."""

from typing import Protocol

from corral.apple.checkin import CheckinError, GetToken, ReturnToService, read_checkin
from corral.apple.plist import PlistError
from corral.lifecycle.change import Answer
from corral.lifecycle.evidence import Identity
from corral.lifecycle.serving import MAY_RETURN
from corral.service.mdm.token_services import TokenServices
from corral.service.mdm.transitions import Transitions
from corral.store.devices import Contact


class Returns(Protocol):
    """Of returning.py."""

    async def answer(self, asked: ReturnToService) -> Answer: ...


class CheckIn:
    def __init__(self, transitions: Transitions, tokens: TokenServices, returning: Returns) -> None:
        self._transitions = transitions
        self._tokens = tokens
        self._returning = returning

    async def answer(self, body: bytes, identity: Identity) -> Answer:
        """The answer to one check-in message; raises StoreUnavailable."""
        try:
            message = read_checkin(body)
        except (CheckinError, PlistError) as error:
            return Answer(400, reason=f"Check-in message not understood: {error}")
        speaker = message.speaker
        contact = Contact(
            fingerprint=identity.fingerprint,
            device_id=speaker.device_id,
            user_id=speaker.user_id,
            named=identity.connection_id,
            breaker_since=self._transitions.contact_since(),
        )
        answer = await self._transitions.answer(contact, message, identity)
        match message:
            case GetToken() if answer.status == 200:
                return await self._tokens.answer(message)
            case ReturnToService() if answer == MAY_RETURN:
                return await self._returning.answer(message)
            case _:
                return answer
