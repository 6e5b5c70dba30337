"""Every answer that an attacker was given, kept until the last test of this folder looks at all of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

UNRECOGNIZED = b"com.apple.unrecognized.device"


@dataclass(frozen=True, slots=True)
class Heard:
    test: str
    asked: str
    """The first line of the request."""
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def tells_to_leave(self) -> bool:
        """Whether a device of Apple's that gets this removes its enrollment profile."""
        bare = self.status == 401 and "www-authenticate" not in self.headers
        return bare or (self.status == 403 and UNRECOGNIZED in self.body)


HEARD: list[Heard] = []


def note(request: bytes, status: int, headers: Mapping[str, str], body: bytes) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0].rpartition("::")[2].partition("[")[0]
    asked = request.partition(b"\r\n")[0].decode("latin-1")
    HEARD.append(Heard(test, asked, status, headers, body))
