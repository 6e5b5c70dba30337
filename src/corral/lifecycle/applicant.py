"""Who asks to be enrolled, and what is known of him here."""

from dataclasses import dataclass
from enum import StrEnum

from corral.apple.platform import Platform
from corral.lifecycle.state import EnrollmentKind
from corral.pki.attestation import HardwareProperties


class Standing(StrEnum):
    """What is known here of a device that asks."""

    UNKNOWN = "unknown"
    CONNECTED = "connected"
    ENDED = "ended"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Who asks, as far as it is proven: `serial_number` and `udid` by a device's signature, `account` by a sign-in.

    `discovery` tells that an account's address is only being looked up yet; its `account` is what was typed in then,
    and proven by nothing. `signing_in` tells that the person is about to sign in, and will be judged again by the
    account. `has_certificate` tells that the device has its identity: what Apple `attested` with it is known now, even
    that it is nothing. `os_version` has its supplement, as `16.1 (a)`.
    """

    kind: EnrollmentKind
    discovery: bool = False
    signing_in: bool = False
    udid: str | None = None
    serial_number: str | None = None
    product: str = ""
    family: str = ""
    platform: Platform | None = None
    os_version: str | None = None
    account: str | None = None
    can_request_software_update: bool = False
    can_request_platform_sso: bool = False
    has_pairing_token: bool = False
    has_certificate: bool = False
    attested: HardwareProperties | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What this service knows: whether the organization has the device assigned to it, and its former lives.

    `must_sign_in`: its profile at Apple has its person sign in first.
    """

    assigned: bool = False
    must_sign_in: bool = False
    standing: Standing = Standing.UNKNOWN
