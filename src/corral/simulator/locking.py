"""PINs, passcodes and Lost Mode of a simulated device (Apple: "Device Lock Command", "Erase Device Command",
"Clear Passcode Command", "Enable Lost Mode Command")."""

from collections.abc import Mapping
from dataclasses import dataclass

from corral.apple.plist import PlistValue

PIN_LENGTH = 6


@dataclass(slots=True)
class Locks:
    """`pin` opens a Mac that was locked; `message` is what a lost device shows, None while it is not lost."""

    is_locked: bool = False
    pin: str = ""
    has_passcode: bool = True
    message: str | None = None
    sounds: int = 0


def pin_problem(keys: Mapping[str, PlistValue], *, is_mac: bool, needs_pin: bool) -> str:
    """What a Mac has against the PIN of a lock or an erasure; empty if nothing. Others have no use for one."""
    if not is_mac:
        return ""
    pin = keys.get("PIN")
    if pin is None:
        return "The PIN is missing." if needs_pin else ""
    if not isinstance(pin, str) or len(pin) != PIN_LENGTH or not (pin.isascii() and pin.isdigit()):
        return f"The PIN must be {PIN_LENGTH} digits."
    return ""


def may_be_lost(keys: Mapping[str, PlistValue]) -> bool:
    """Lost Mode shows a message or a number to call; with neither it is refused."""
    return bool(keys.get("Message") or keys.get("PhoneNumber"))
