"""How one request on a connection to Apple's push service can end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """The server has not acted on this request and never will: it may be repeated at once, elsewhere."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. Whether the server acted on the request is not known."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The connection ended because the server does not accept our certificate."""

    reason: str


Reply = Response | Unprocessed | Lost | Refused
