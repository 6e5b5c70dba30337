"""Who runs the service that simulated devices enroll with: the few operations that scenarios need of an admin API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from corral.apple.plist import PlistValue


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device as the service shows it. `phase` is that of its newest connection (authenticating, connected,
    ending, ended), `connection` its id, `end_reason` and `proof` how it ended; `lives` counts them all."""

    phase: str
    connection: str
    end_reason: str = ""
    proof: str = ""
    lives: int = 1


class Operator(Protocol):
    """Devices are named by UDID. Whatever is refused raises OperatorFailed."""

    async def create_link(self, *, uses: int | None = 1) -> str:
        """The URL of a new enrollment link; None: any number of uses."""
        ...

    async def send_command(
        self, device: str, request_type: str, keys: Mapping[str, PlistValue] | None = None, *, user: str = ""
    ) -> str:
        """Queue a command for the device channel, or for that of a user; its CommandUUID."""
        ...

    async def command_status(self, device: str, command: str) -> str:
        """What the device answered last (Acknowledged, Error, CommandFormatError, NotNow); empty while it has not."""
        ...

    async def look(self, device: str) -> DeviceView | None:
        """The device as it is now; None if the service does not know it."""
        ...

    async def events(self, device: str) -> tuple[str, ...]:
        """The types of the events on the device's timeline, oldest first."""
        ...

    async def end(self, device: str, *, at_once: bool = False) -> None:
        """End the connection; `at_once` without the time that a device usually has to obey."""
        ...

    async def renew(self, device: str) -> str:
        """Have the device renew its identity certificate; the CommandUUID."""
        ...

    async def decide_takeover(self, device: str, *, accept: bool) -> None:
        """Say whether who waits to take the place of this device is the device."""
        ...

    async def return_to_service(self, device: str) -> str:
        """Erase the device and have it come back by itself; the CommandUUID."""
        ...

    async def block(self, device: str) -> None: ...
    async def unblock(self, device: str) -> None: ...


class OperatorFailed(Exception):
    """The service refused an operation, or could not be reached; one line says why."""
