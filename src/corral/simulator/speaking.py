"""How a device speaks to its service: one PUT a message, proven, and what it makes of the answer's status.

Source: Apple, "Managing connections", "Sending MDM commands to a device", "Check-in"; the error documents are
Apple's "ErrorCode..." objects.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from corral.apple.enrollment_error import understands_unrecognized
from corral.apple.plist import PlistError, parse
from corral.simulator.behaviour import Behaviour
from corral.simulator.enrollment import Enrollment
from corral.simulator.facts import Facts
from corral.simulator.identity import Proof, TlsCertificate
from corral.simulator.transport import Response, Transport

CHECK_IN_TYPE: Final = "application/x-apple-aspen-mdm-checkin"
COMMAND_TYPE: Final = "application/x-apple-aspen-mdm; charset=UTF-8"
UNRECOGNIZED: Final = "com.apple.unrecognized.device"


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx."""


@dataclass(frozen=True, slots=True)
class Unenrolled:
    """The device has to remove its enrollment."""

    why: str


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """410: this user is not managed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Any other answer, or none: nothing changes, the message counts as not taken."""

    why: str


Verdict: TypeAlias = Accepted | Unenrolled | Unmanaged | Failed


def judge(response: Response, facts: Facts) -> Verdict:
    """What this answer means to a device with this system."""
    status = response.status
    if 200 <= status < 300:
        return Accepted()
    if status == 401 and response.headers.get("www-authenticate", "").startswith("Bearer method="):
        return Failed("the person has to sign in again")
    if status == 401:
        return Unenrolled("401")
    if status == 403 and error_code(response) == UNRECOGNIZED:
        if understands_unrecognized(facts.platform, facts.os_version):
            return Unenrolled(f"403 {UNRECOGNIZED}")
        return Failed(f"403 {UNRECOGNIZED}, which {facts.platform} {facts.os_version} does not know")
    if status == 410:
        return Unmanaged()
    reason = response.body[:200].decode("utf-8", "replace").strip().partition("\n")[0]
    return Failed(f"HTTP {status}{f': {reason}' if reason else ''}")


def error_code(response: Response) -> str | None:
    """The code in an enrollment error document, whose form its Content-Type must name; None if it is none."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        match media_type:
            case "application/json":
                document: object = json.loads(response.body)
            case "application/xml" | "text/xml":
                document = parse(response.body)
            case _:
                return None
    except (PlistError, ValueError, RecursionError):
        return None
    match document:
        case {"code": str(code)}:
            return code
        case _:
            return None


class Voice:
    """Speaks for one device. `clock` is the true time; the device's own may be off (Behaviour.clock_skew).

    `bearer` is the token of the account that it was enrolled with, which all but Macs show with every message;
    `sign_in_again` gets another for the challenge of a 401.
    """

    __slots__ = ("bearer", "behaviour", "clock", "facts", "sign_in_again", "transport", "user_agent")

    def __init__(self, facts: Facts, behaviour: Behaviour, transport: Transport, clock: Callable[[], datetime]) -> None:
        self.facts = facts
        self.behaviour = behaviour
        self.transport = transport
        self.clock = clock
        self.bearer = ""
        self.sign_in_again: Callable[[str], Awaitable[str]] | None = None
        self.user_agent = "MDM-OSX/1.0 mdmclient/1410" if facts.is_mac else "MDM/1.0"

    def now(self) -> datetime:
        return self.clock() + self.behaviour.clock_skew

    async def check_in(self, enrollment: Enrollment, message: bytes) -> Response:
        """Raises Unreachable."""
        return await self._put(enrollment, enrollment.profile.check_in_address, CHECK_IN_TYPE, message)

    async def report(self, enrollment: Enrollment, message: bytes) -> Response:
        """Raises Unreachable."""
        return await self._put(enrollment, enrollment.profile.server_url, COMMAND_TYPE, message)

    async def _put(self, enrollment: Enrollment, url: str, content_type: str, body: bytes) -> Response:
        response = await self._send(enrollment, url, content_type, body)
        challenge = response.headers.get("www-authenticate", "") if response.status == 401 else ""
        if challenge and self.sign_in_again is not None:
            self.bearer = await self.sign_in_again(challenge)
            response = await self._send(enrollment, url, content_type, body)
        return response

    async def _send(self, enrollment: Enrollment, url: str, content_type: str, body: bytes) -> Response:
        identity = enrollment.identity
        proof = self._proof(enrollment)
        shown = identity.prove(proof, body, self.now(), signs_time=not self.facts.is_mac)
        if self.bearer and not self.facts.is_mac:
            shown = (*shown, ("Authorization", f"Bearer {self.bearer}"))
        return await self.transport.request(
            "PUT",
            url,
            headers=(("Content-Type", content_type), ("User-Agent", self.user_agent), *shown),
            body=body,
            trust=enrollment.trust,
            identity=identity if isinstance(proof, TlsCertificate) else None,
        )

    def _proof(self, enrollment: Enrollment) -> Proof:
        if self.behaviour.proof is not None:
            return self.behaviour.proof
        return self.behaviour.signature if enrollment.profile.sign_message else TlsCertificate()
