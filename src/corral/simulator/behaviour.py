"""How a simulated device behaves, as values: a device without any of them does at once what it is told."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from corral.simulator.identity import Proof, Signed


class Removal(Enum):
    """What a device makes of a RemoveProfile for its enrollment profile."""

    OBEY = auto()
    ANSWER_ERROR = auto()
    ACKNOWLEDGE_ONLY = auto()


class Renewal(Enum):
    """What a device sends after it has installed an update of its enrollment profile: both were observed."""

    AUTHENTICATE = auto()
    TOKEN_UPDATE = auto()


class Broken(Enum):
    """What real devices put into their results now and then, out of names of apps and networks."""

    NUL = auto()
    CONTROL_REFERENCE = auto()
    BAD_UTF8 = auto()


@dataclass(frozen=True, slots=True)
class Busy:
    """NotNow to what can wait, in this many of the next sessions; `pause` is the time (seconds) after which the
    device polls by itself, if NotNow was the last that it said."""

    sessions: int
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a message is tried, and how long (seconds) a device waits in between, doubling up to a ceiling."""

    attempts: int = 5
    first: float = 0.5
    ceiling: float = 30.0

    def pause(self, attempt: int) -> float:
        return min(self.ceiling, self.first * 2**attempt)


@dataclass(frozen=True, slots=True)
class User:
    """Who has a channel of his own: on a Mac the local user, on a Shared iPad the one who is logged in. A Mac makes
    the `guid` if there is none; a Shared iPad tells all users' by the same.

    With a `password` it is a network user of a Mac, who proves it at each login; `awaits_configuration` is a user whom
    a Shared iPad holds in Setup Assistant until UserConfigured.
    """

    short_name: str
    long_name: str
    guid: str = ""
    password: str = field(default="", repr=False)
    awaits_configuration: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`proof` None means as the profile says: a signature with SignMessage, else a TLS client certificate.

    `ignored_unenrollments` is how many answers that end its enrollment a device passes over, which no device
    of Apple's does; `awaiting_configuration` is as after Automated Device Enrollment, whose devices are supervised;
    `delay` is the time (seconds) that each command takes; `information_size` pads the answer to
    DeviceInformation to about that many bytes.
    """

    proof: Proof | None = None
    signature: Signed = field(default_factory=Signed)
    clock_skew: timedelta = timedelta(0)
    removal: Removal = Removal.OBEY
    ignored_unenrollments: int = 0
    renewal: Renewal = Renewal.AUTHENTICATE
    broken_results: Broken | None = None
    awaiting_configuration: bool = False
    supervised: bool = False
    unlock_token: bool = True
    bootstrap_token: bool = False
    user: User | None = None
    delay: float = 0.0
    information_size: int = 0
    patience: Patience = field(default_factory=Patience)
