"""Over-the-air enrollment in its three phases (Apple: "Over-the-Air Profile Delivery Concepts").

1. A first profile has the device post what it is, with our challenge, signed with the certificate it was made with.
2. A device that is admitted gets a profile by which it has an identity certificate of ours made.
3. It posts the same again, signed with that, and gets its enrollment profile, which only the key's holder can read.

Where identities come by ACME the enrollment profile is given out in phase 2: a key that is attested proves more.
"""

import hashlib
import hmac

from corral.apple.machine_info import MachineInfo
from corral.lifecycle.admission import Refusal
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.state import HOUR, CertificateStatus, EnrollmentKind, Grant, Link, Purpose
from corral.pki.device_signature import DeviceSigned
from corral.service.clock import Clock
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import Applicants, AskingError
from corral.service.enrollment.enrolling import Enrolling
from corral.service.mdm.identifying import Identifying
from corral.store.grants import GrantStore

ANSWERED_WITHIN = HOUR
"""How long after its first profile a device may ask for the others."""


class OverTheAir:
    def __init__(
        self,
        admitting: Admitting,
        applicants: Applicants,
        enrolling: Enrolling,
        identifying: Identifying,
        grants: GrantStore,
        secret: bytes,
        clock: Clock,
    ) -> None:
        """`secret`: 32 bytes, of which one for this use alone is derived."""
        self._admitting = admitting
        self._applicants = applicants
        self._enrolling = enrolling
        self._identifying = identifying
        self._grants = grants
        self._key = hmac.new(secret, b"over the air", hashlib.sha256).digest()
        self._clock = clock

    async def first_profile(self, token: str, link: Link) -> bytes:
        """Phase 1, for whoever opens the link of this token."""
        return await self._enrolling.first_profile(token, self._challenge(link, self._clock() + ANSWERED_WITHIN))

    async def answer(self, link: Link, message: bytes) -> bytes | Refusal:
        """The profile of phase 2 or 3, whichever the signature is for.

        Raises AskingError, and what `Admitting` and `Enrolling` raise.
        """
        info, signed = await self._applicants.open(message)
        if signed.doubt:
            grant = await self._certified(link, signed)
            self._check_challenge(link, info)
            if (info.udid, info.serial_number) != (grant.device_id, grant.serial_number):
                raise AskingError("the certificate that signed it was given out to another device")
            return await self._enrolling.profile_for(grant, enclosed_for=signed.signer)
        applicant = self._applicants.applicant(info, EnrollmentKind.OVER_THE_AIR)
        self._check_challenge(link, info)
        return await self._second(link, applicant)

    async def _second(self, link: Link, applicant: Applicant) -> bytes | Refusal:
        if link.device_id not in (None, applicant.udid) or link.serial_number not in (None, applicant.serial_number):
            refusal = Refusal("", "the link is meant for another device", "This enrollment link is for another device.")
            await self._admitting.tell(applicant, refusal)
            return refusal
        grant = await self._admitting.admit(
            applicant, source=f"link {link.id}", evidence="signed by the device", link=link
        )
        if isinstance(grant, Refusal):
            return grant
        return await self._enrolling.identity_profile(grant) or await self._enrolling.profile_for(grant)

    async def _certified(self, link: Link, signed: DeviceSigned) -> Grant:
        """The grant of this link under which the signer got the certificate that it shows. Raises AskingError."""
        identity = self._identifying.identify(signed.signer)
        if isinstance(identity, str) or identity.authority:
            raise AskingError(signed.doubt)
        now = self._clock()
        certificate = await self._grants.certificate(identity.fingerprint)
        usable = certificate is not None and certificate.status is CertificateStatus.ISSUED
        state = await self._grants.grant_state(certificate.grant_id or "") if certificate and usable else None
        grant = state.grant if state is not None else None
        if (
            grant is None
            or now >= identity.not_after
            or (grant.purpose, grant.kind, grant.link_id) != (Purpose.ENROLL, EnrollmentKind.OVER_THE_AIR, link.id)
            or grant.spent_at is not None
            or grant.revoked_at is not None
            or now >= grant.expires_at
        ):
            raise AskingError("the certificate that signed it is not of an enrollment by this link that is under way")
        return grant

    def _challenge(self, link: Link, until: int) -> str:
        mac = hmac.digest(self._key, f"{link.id}.{until}".encode(), "sha256")
        return f"{until}.{mac.hex()[:32]}"

    def _check_challenge(self, link: Link, info: MachineInfo) -> None:
        """Without it a message that was caught could be sent again, and one that was meant for something else."""
        until, _, _ = (info.challenge or "").partition(".")
        made = self._challenge(link, int(until)) if until.isascii() and until.isdecimal() and len(until) < 16 else ""
        if not made or not hmac.compare_digest((info.challenge or "").encode(), made.encode()):
            raise AskingError("the challenge of the first profile is missing in what the device signed")
        if self._clock() >= int(until):
            raise AskingError("the first profile is more than an hour old: open the link again")
