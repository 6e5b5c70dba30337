"""An account that was proven comes to its enrollment profile, as far as the admission policy lets it."""

from dataclasses import dataclass, replace

from corral.apple.enrollment_error import WellKnownFailed
from corral.apple.platform import platform_of
from corral.lifecycle.admission import Refusal
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.person import AccountRules, Person
from corral.service.accounts.sessions import Sessions
from corral.service.enrollment.admitting import Admitting


@dataclass(frozen=True, slots=True)
class NotProven:
    """No token, or none that is good: the device is to have the person sign in."""


class AccountEnrolling:
    """`source` names the identity provider."""

    def __init__(self, sessions: Sessions, rules: AccountRules, admitting: Admitting, source: str) -> None:
        self._sessions = sessions
        self._rules = rules
        self._admitting = admitting
        self._source = source

    async def discover(self, account: str, family: str) -> EnrollmentKind | Refusal:
        """As what a device of this model family may enroll for an account that was typed in; empty: none is known.

        A refusal was told as an event, but for an account of a domain that is none of ours. Raises StoreUnavailable.
        """
        account = account.lower()
        if account and not self._rules.allows_domain(account):
            why = "accounts of this domain do not enroll here"
            message = "This account cannot be used to enroll a device here. Check how it is spelled."
            return Refusal("", why, message, WellKnownFailed(description=why, message=message))
        kind = self._rules.kind(account, family)
        applicant = Applicant(
            kind=kind, discovery=True, account=account or None, family=family, platform=platform_of(family)
        )
        judgement = (await self._admitting.decide(applicant)).judgement
        return judgement if isinstance(judgement, Refusal) else kind

    async def profile(self, applicant: Applicant, token: str) -> bytes | Refusal | NotProven:
        """The profile for the account of an access token, on the device that asks; raises what `Admitting` raises."""
        session = await self._sessions.verify(token)
        if session is None:
            return NotProven()
        account = session.account
        signed_in = replace(applicant, account=account)
        if not self._rules.allows_domain(account) or self._rules.kind(account, applicant.family) is not applicant.kind:
            why = f"{account} does not enroll devices in this way"
            refusal = Refusal("", why, f"{why}.")
            await self._admitting.tell(signed_in, refusal)
            return refusal
        evidence = f"session {session.id}, {applicant.product}"
        return await self._admitting.enroll(signed_in, source=self._source, evidence=evidence)

    async def setup_profile(self, person: Person, applicant: Applicant) -> bytes | Refusal:
        """The profile for a device in Setup Assistant, whose person has signed in."""
        signed_in = replace(applicant, account=person.account)
        return await self._admitting.enroll(
            signed_in, source=self._source, evidence="signed by the device, and its person signed in"
        )
