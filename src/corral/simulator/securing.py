"""What a device answers to commands that lock, erase or find it."""

from typing import Final

from corral.simulator.asked import Asked, Reply, Then, error
from corral.simulator.contents import read_return
from corral.simulator.locking import may_be_lost, pin_problem

_WRONG_UNLOCK_TOKEN: Final = 5013
_WRONG_PIN: Final = 12024
_NOT_LOST: Final = 12067
_INVALID_LOST_MODE: Final = 12068


def device_lock(asked: Asked) -> Reply:
    problem = pin_problem(asked.keys, is_mac=asked.facts.is_mac, needs_pin=False)
    if problem:
        return error(_WRONG_PIN, problem)
    asked.contents.locks.is_locked = True
    asked.contents.locks.pin = str(asked.keys.get("PIN") or "")
    return Reply(keys={} if asked.facts.is_mac else {"MessageResult": "Success"})


def erase_device(asked: Asked) -> Reply:
    problem = pin_problem(asked.keys, is_mac=asked.facts.is_mac, needs_pin=False)
    if problem:
        return error(_WRONG_PIN, problem)
    # Apple: "Erase a Device": ReturnToService brings the device back by what it is given.
    asked.contents.comes_back = read_return(asked.keys.get("ReturnToService"))
    return Reply(then=Then.WIPE)


def clear_passcode(asked: Asked) -> Reply:
    if asked.channel.unlock_token is None or asked.keys.get("UnlockToken") != asked.channel.unlock_token:
        return error(_WRONG_UNLOCK_TOKEN, "The unlock token is not valid.")
    asked.contents.locks.has_passcode = False
    return Reply()


def enable_lost_mode(asked: Asked) -> Reply:
    if not may_be_lost(asked.keys):
        return error(_INVALID_LOST_MODE, "A message or a phone number is needed for Lost Mode.")
    asked.contents.locks.message = str(asked.keys.get("Message") or "")
    return Reply()


def in_lost_mode(asked: Asked) -> Reply:
    """What only a lost device does."""
    locks = asked.contents.locks
    if locks.message is None:
        return error(_NOT_LOST, "The device is not in Lost Mode.")
    match asked.request_type:
        case "DeviceLocation":
            return Reply(keys={"Latitude": 48.2082, "Longitude": 16.3738, "HorizontalAccuracy": 65.0})
        case "PlayLostModeSound":
            locks.sounds += 1
        case _:
            locks.message = None
    return Reply()
