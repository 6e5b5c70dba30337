"""An account that was proven comes to its enrollment profile."""

from dataclasses import dataclass

from corral.lifecycle.admitted import Admitted
from corral.lifecycle.state import DAY, EnrollmentKind
from corral.service.accounts.person import AccountRules, Person, SignInRefused
from corral.service.accounts.sessions import Sessions
from corral.service.accounts.sign_in import ForSetup
from corral.service.clock import Clock
from corral.service.enrolling import Enrolling

GRANT_TIME = DAY
"""A device may keep the profile, and try again with it."""


@dataclass(frozen=True, slots=True)
class NotProven:
    """No token, or none that is good: the device is to have the person sign in."""


class AccountEnrolling:
    """`source` names the identity provider."""

    def __init__(
        self, sessions: Sessions, rules: AccountRules, enrolling: Enrolling, source: str, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._rules = rules
        self._enrolling = enrolling
        self._source = source
        self._clock = clock

    async def profile(self, kind: EnrollmentKind, token: str, family: str) -> bytes | NotProven:
        """The profile for the account of an access token, on a device of this model family.

        Raises SignInRefused for an account that enrolls as something else, and what `Enrolling` raises.
        """
        session = await self._sessions.verify(token)
        if session is None:
            return NotProven()
        if not self._rules.allows_domain(session.account) or self._rules.kind(session.account, family) is not kind:
            raise SignInRefused(f"{session.account} does not enroll devices in this way.")
        admitted = Admitted(
            kind=kind, account=session.account, source=self._source, evidence=f"session {session.id}, {family}"
        )
        return await self._give(admitted)

    async def setup_profile(self, person: Person, asked: ForSetup) -> bytes:
        """The profile for a device in Setup Assistant, whose person has signed in."""
        admitted = Admitted(
            kind=EnrollmentKind.AUTOMATED,
            device_id=asked.udid,
            serial_number=asked.serial_number,
            account=person.account,
            source=self._source,
            evidence=f"signed in in Setup Assistant of {asked.product}",
        )
        return await self._give(admitted)

    async def _give(self, admitted: Admitted) -> bytes:
        grant = await self._enrolling.admit(admitted, self._clock() + GRANT_TIME)
        return await self._enrolling.profile_for(grant)
