"""What the operator has decided for the uncertain cases. Every default keeps a device connected."""

from dataclasses import dataclass
from enum import StrEnum

from corral.lifecycle.digest import Verifier
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND, Instant
from corral.pki.escrow_key import EscrowKey


class OnRestore(StrEnum):
    ACCEPT = "accept"
    REFUSE = "refuse"


class OnTakeover(StrEnum):
    """A newcomer says that it is a device which is connected already. Held is who is not let in until a person, or a
    dead push token of the former connection, says that it is."""

    ACCEPT = "accept"
    CONFIRM = "confirm"
    """Held is who has nothing but his word."""
    ATTESTED = "attested"
    """Held is everybody whose key was not attested for that device: also by a link for it, or signed as it."""


class OnLostBinding(StrEnum):
    REBIND = "rebind"
    REFUSE = "refuse"


class OnExpiredIdentity(StrEnum):
    REPAIR = "repair"
    """Deliver only the renewing InstallProfile and RemoveProfile."""
    REFUSE = "refuse"


class OnReturn(StrEnum):
    """What a device is told that asks how to return to service when it erases itself."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class Admission(StrEnum):
    GRANT = "grant"
    TRUSTED_IDENTITY = "trusted-identity"
    """Any device with a certificate of a trusted foreign authority may enroll too."""


class Attestation(StrEnum):
    """Whether a device that gets its certificate by ACME must show what Apple attests of it."""

    OFF = "off"
    WANTED = "wanted"
    """A device that attests nothing is let in; what is attested must be true."""
    REQUIRED = "required"


class UserAuthentication(StrEnum):
    REFUSE = "refuse"
    EMPTY_CHALLENGE = "empty-challenge"
    DIGEST = "digest"
    """Against `Policy.verifier`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    on_restore: OnRestore = OnRestore.ACCEPT
    on_takeover: OnTakeover = OnTakeover.CONFIRM
    on_lost_binding: OnLostBinding = OnLostBinding.REBIND
    on_expired_identity: OnExpiredIdentity = OnExpiredIdentity.REPAIR
    admission: Admission = Admission.GRANT
    attestation: Attestation = Attestation.WANTED
    user_authentication: UserAuthentication = UserAuthentication.REFUSE
    verifier: Verifier | None = None
    escrow_key: EscrowKey | None = None
    """What devices enclose their recovery keys for; without it none is kept."""
    manage_users: bool = True
    ending_deadline: Instant = 7 * DAY
    """How long a device has to obey RemoveProfile before a contact is answered by unenrolling."""
    breaker_limit: int = 25
    """So many distinct connections may be told to leave within the window; the next one opens the breaker."""
    breaker_window: Instant = HOUR
    setup_time: Instant = 20 * SECOND
    """How long DeviceConfigured waits after the TokenUpdate, so that setup commands can be queued before it."""
    configured_retry: Instant = 5 * MINUTE
    """How long a device may wait in Setup Assistant before DeviceConfigured is sent again."""
    installation_time: Instant = 15 * MINUTE
    """How long after an Authenticate its TokenUpdate is waited for before commands flow again in the life as it was."""
    renewal_time: Instant = 7 * DAY
    """How long a device may take to come for its renewed certificate, before the renewal is asked for again."""
    not_now_push: Instant = 10 * MINUTE
    """When a channel that said NotNow is pushed again."""
    keys_per_grant: int = 4
    """The first key and three more: a device that retries a cached profile may come with a new one."""
    collect_inventory: bool = True
    """Whether devices are asked for their reports by themselves, see `collecting`."""
