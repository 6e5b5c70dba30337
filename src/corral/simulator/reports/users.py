"""Apple: "User List Command"."""

import uuid

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply, is_shared
from corral.simulator.reports.answering import tell

_FIRST_UID = 501


def user_list(asked: Asked) -> Reply:
    """Of a Mac whoever has an account there, of a Shared iPad whoever has logged in; another iPad has no users."""
    if not asked.facts.is_mac and not is_shared(asked):
        return Reply("CommandFormatError")
    present = [
        _user(asked, user.names["UserShortName"], user.names["UserLongName"], number, is_there=True)
        for number, user in enumerate(asked.enrollment.users)
    ]
    if asked.facts.is_mac and not present:
        owner = asked.facts.device_name.partition("'")[0]
        present = [_user(asked, owner.lower(), owner, 0, is_there=True)]
    return tell(asked, Users=present)


def _user(asked: Asked, short_name: str, long_name: str, number: int, *, is_there: bool) -> dict[str, PlistValue]:
    return {
        "UserName": short_name,
        "FullName": long_name,
        "UID": _FIRST_UID + number,
        "UserGUID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{asked.facts.udid} {short_name}")).upper(),
        "IsLoggedIn": is_there,
        "HasDataToSync": False,
        "DataQuota": 8_589_934_592,
        "DataUsed": 1_048_576,
        "MobileAccount": False,
        "HasSecureToken": True,
    }
