"""What a device answers to commands about managed apps."""

from typing import Final

from corral.simulator.asked import Asked, Keys, Reply, Then, error
from corral.simulator.managed_apps import AppRefused

_APP_REFUSED: Final = 12026
_NOT_MANAGED_APP: Final = 12040


def install_application(asked: Asked) -> Reply:
    try:
        identifier, state = asked.contents.apps.install(asked.keys)
    except AppRefused as refusal:
        return Reply("Error", {"RejectionReason": refusal.reason, **error(_APP_REFUSED, str(refusal)).keys})
    named: Keys = {"Identifier": identifier} if identifier else {}
    return Reply(keys={**named, "State": state}, then=Then.GET_APPS)


def remove_application(asked: Asked) -> Reply:
    identifier = asked.keys.get("Identifier")
    if not isinstance(identifier, str) or not asked.contents.apps.remove(identifier):
        return error(_NOT_MANAGED_APP, f"The app '{identifier}' is not managed.")
    return Reply()
