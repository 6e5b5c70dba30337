"""What is remembered of a device, its lives, channels and certificates, as plain values.

Times are Unix milliseconds (`Instant`): they compare, store and batch as they are in every back-end.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TypeAlias

from corral.apple.platform import Platform
from corral.pki.attestation import HardwareProperties
from corral.values import frozen

Instant: TypeAlias = int
"""A point in time: milliseconds since 1970-01-01T00:00:00Z."""

SECOND: Instant = 1000
MINUTE: Instant = 60 * SECOND
HOUR: Instant = 60 * MINUTE
DAY: Instant = 24 * HOUR
FOREVER: Instant = 2**62
"""Later than every time that is ever compared with it."""


class Phase(StrEnum):
    AUTHENTICATING = "authenticating"
    CONNECTED = "connected"
    ENDING = "ending"
    ENDED = "ended"


class Origin(StrEnum):
    ENROLLED = "enrolled"
    RESTORED = "restored"


class EndReason(StrEnum):
    CHECKED_OUT = "checked-out"
    REMOVED = "removed"
    UNENROLLED = "unenrolled"
    ERASED = "erased"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


class Purpose(StrEnum):
    """What a certificate was issued or accepted for."""

    ENROLL = "enroll"
    RENEW = "renew"
    PINNED = "pinned"
    """Of a foreign authority: not issued here, pinned at Authenticate."""


class EnrollmentKind(StrEnum):
    """The way by which a device comes in: to its enrollment profile, but for TRUSTED_IDENTITY."""

    LINK = "link"
    OVER_THE_AIR = "over-the-air"
    AUTOMATED = "automated"
    ACCOUNT_USER = "account-user"
    ACCOUNT_DEVICE = "account-device"
    RETURN_TO_SERVICE = "return-to-service"
    TRUSTED_IDENTITY = "trusted-identity"
    """With a certificate of a foreign authority that is trusted; no grant is of this kind."""


class IdentityKind(StrEnum):
    """How a device is to get its identity certificate."""

    SCEP = "scep"
    ACME = "acme"


class CertificateStatus(StrEnum):
    ISSUED = "issued"
    """Issued under an enroll grant; no Authenticate has come with it yet."""
    BOUND = "bound"
    RETIRED = "retired"
    """A renewal has replaced it."""
    REVOKED = "revoked"


class Consequence(StrEnum):
    """Marks deliveries whose result changes more than the queue; decided when the delivery is made."""

    PLAIN = "plain"
    REMOVE_PROFILE = "remove-profile"
    ERASE_DEVICE = "erase-device"
    DEVICE_CONFIGURED = "device-configured"
    USER_CONFIGURED = "user-configured"
    RENEWAL = "renewal"


class DeliveryState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ERROR = "error"
    FORMAT_ERROR = "format-error"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"
    """Its connection ended first."""


class EscrowKind(StrEnum):
    UNLOCK_TOKEN = "unlock-token"  # noqa: S105 - a name, not a secret
    BOOTSTRAP_TOKEN = "bootstrap-token"  # noqa: S105 - a name, not a secret
    FILEVAULT_RECOVERY_KEY = "filevault-recovery-key"
    ACTIVATION_LOCK_BYPASS_CODE = "activation-lock-bypass-code"


@frozen(kw_only=True)
class Device:
    """A device as it described itself; `version` guards its lives, channels and certificates."""

    id: str
    version: int = 0
    """0: not stored yet."""
    created_at: Instant
    user_enrollment: bool = False
    blocked_at: Instant | None = None
    blocked_reason: str = ""
    serial_number: str | None = None
    platform: Platform | None = None
    os_version: str | None = None
    build_version: str | None = None
    product_name: str | None = None
    model: str | None = None
    model_name: str | None = None
    name: str | None = None
    imei: str | None = None
    meid: str | None = None


@frozen(kw_only=True)
class EndRequest:
    """A person or a policy wants this connection over; past `deadline` a contact is answered by unenrolling."""

    by: str
    at: Instant
    deadline: Instant
    note: str = ""


@frozen(kw_only=True)
class Renewal:
    """A renewal of the identity certificate that this service asked for and that is not through yet."""

    grant_id: str
    asked_at: Instant
    authenticated_at: Instant | None = None
    """Set by its Authenticate: deliveries pause until the TokenUpdate tells renewal from re-enrollment."""


@frozen(kw_only=True)
class Connection:
    """One life of a device with this service."""

    id: str
    device_id: str
    phase: Phase
    origin: Origin
    topic: str
    created_at: Instant
    admitted_by: str = ""
    """What let it in: `grant:<id>`, `authority:<name>` or `restore:<former connection>`."""
    profile: bytes = b""
    """What a renewal must repeat exactly of its enrollment profile, as JSON of service.kept_profile.KeptProfile."""
    connected_at: Instant | None = None
    reauthenticated_at: Instant | None = None
    """An Authenticate came under the certificate of this connected life; its TokenUpdate is awaited."""
    awaiting_since: Instant | None = None
    """The device waits in Setup Assistant for DeviceConfigured."""
    erasing_at: Instant | None = None
    renewal: Renewal | None = None
    end_request: EndRequest | None = None
    ended_at: Instant | None = None
    end_reason: EndReason | None = None
    proof: str = ""
    open: bool = False
    """Ordinary traffic may pass without a decision; written by `settle` at every transition."""
    recheck_at: Instant = FOREVER

    @property
    def is_over(self) -> bool:
        return self.phase is Phase.ENDED

    @property
    def ended_by_decision(self) -> bool:
        """A person or policy ended it, so its device is to leave."""
        return self.phase is Phase.ENDED and self.end_request is not None


@frozen(kw_only=True)
class Channel:
    """The device channel (`user_id` is empty) or one user channel of a connection."""

    connection_id: str
    user_id: str = ""
    kind: str = "device"
    short_name: str | None = None
    long_name: str | None = None
    topic: str = ""
    token: bytes | None = field(default=None, repr=False)
    magic: str | None = field(default=None, repr=False)
    token_updated_at: Instant | None = None
    unreachable: str = ""
    """Why no push can reach it: empty when it can."""
    awaiting_since: Instant | None = None
    ended_at: Instant | None = None

    @property
    def id(self) -> str:
        return channel_id(self.connection_id, self.user_id)


def channel_id(connection_id: str, user_id: str) -> str:
    """The key of a channel, made from its parts so that nobody has to look it up."""
    return f"{connection_id}/{user_id}" if user_id else connection_id


@frozen(kw_only=True)
class Certificate:
    """An identity certificate, and the life that it is bound to."""

    fingerprint: bytes
    """SHA-256 of the DER."""
    authority: str
    """Empty for our own; else the name that the operator gave to a foreign one."""
    purpose: Purpose
    status: CertificateStatus
    connection_id: str
    device_id: str | None = None
    """None until its first Authenticate."""
    grant_id: str | None = None
    request_digest: bytes = b""
    """SHA-256 of the CSR, so that a retry with the same one gets the same certificate."""
    issued_at: Instant
    not_after: Instant
    heard_at: Instant | None = None
    issuer: str = ""
    """Of our own: the id of the authority that issued it; empty for the first one's, from before there were others."""
    attested: HardwareProperties | None = None
    """What Apple vouched for when it was issued, of the device that holds its key."""
    warned_days: int | None = None
    """So many days before its end it was last warned that nothing has replaced it; 0: when it was over."""
    der: bytes = b""


@frozen(kw_only=True)
class Grant:
    """Leave to get one certificate: what a SCEP challenge, or the ClientIdentifier of ACME, stands for."""

    id: str
    version: int = 0
    purpose: Purpose
    kind: EnrollmentKind = EnrollmentKind.LINK
    connection_id: str
    """The life that its certificates name: a new one for `enroll`, an existing one for `renew`."""
    link_id: str | None = None
    device_id: str | None = None
    """Only this device may use it, if known."""
    serial_number: str | None = None
    account: str | None = None
    """The Managed Apple Account of the person who enrolls, where an account is what let the device in."""
    evidence: str = ""
    """What let it in and what was proven about it, for a person."""
    created_at: Instant
    expires_at: Instant
    keys_issued: int = 0
    spent_at: Instant | None = None
    revoked_at: Instant | None = None
    profile: bytes = b""


@frozen(kw_only=True)
class Link:
    """An enrollment link. `used` counts connected devices, not downloads."""

    id: str
    created_at: Instant
    created_by: str = ""
    note: str = ""
    uses: int | None = 1
    used: int = 0
    expires_at: Instant
    device_id: str | None = None
    serial_number: str | None = None
    revoked_at: Instant | None = None
    identity: IdentityKind | None = None
    """How its devices get their certificate; None: as the settings say."""

    def refusal(self, now: Instant) -> str | None:
        """Why nobody can enroll by this link any more, in words for a person; None while one can."""
        if self.revoked_at is not None:
            return "This enrollment link was withdrawn."
        if now >= self.expires_at:
            return "This enrollment link has expired."
        if self.uses is not None and self.used >= self.uses:
            return "This enrollment link has been used."
        return None


@frozen(kw_only=True)
class Delivery:
    """A command in the queue of one channel."""

    channel_id: str
    command_uuid: str
    request_type: str
    consequence: Consequence
    state: DeliveryState
    sequence: int
    priority: int = 0
    not_before: Instant = 0
    expires_at: Instant = FOREVER
    deferred_at: Instant | None = None
    """Answered NotNow: offered again only in answer to Idle."""
    not_now_count: int = 0
    trace: str | None = None
    """The W3C `traceparent` that it was queued in, if that is followed."""


@frozen(kw_only=True)
class Breaker:
    """Guard against mass unenrollment: how many connections were told to leave lately."""

    open: bool = False
    counted: frozenset[str] = frozenset()
    """Connections that got an unenrolling answer or a RemoveProfile within the window (bounded by the limit)."""


@frozen(kw_only=True)
class Snapshot:
    """All that a decision about one message rests on, read at one moment.

    `bound` is the life that the presented certificate belongs to; it may be another device's. `named` is the
    life that the certificate's own subject alternative name tells, read where no certificate row is left.
    """

    device: Device | None = None
    lives: tuple[Connection, ...] = ()
    """Of that device: every one that is not over, and the latest that is, newest first."""
    certificate: Certificate | None = None
    bound: Connection | None = None
    named: Connection | None = None
    grant: Grant | None = None
    link: Link | None = None
    channel: Channel | None = None
    """The channel spoken on, of `bound`."""
    delivery: Delivery | None = None
    """The one that a report answers."""
    escrow: Mapping[EscrowKind, bytes] = field(default_factory=dict[EscrowKind, bytes], repr=False)
    breaker: Breaker = field(default_factory=Breaker)
    topics: frozenset[str] = frozenset()
    """Topics that a push certificate is held for."""

    def life(self, phase: Phase) -> Connection | None:
        return next((life for life in self.lives if life.phase is phase), None)

    @property
    def current(self) -> Connection | None:
        """The life that is connected, or was until somebody wanted it over."""
        return self.life(Phase.CONNECTED) or self.life(Phase.ENDING)
