"""Apple: "Installed Application List Command", "Managed Application List Command"."""

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply
from corral.simulator.installed_apps import App
from corral.simulator.reports.answering import tell

_MANAGED_SIZE = 25_000_000


def installed_application_list(asked: Asked) -> Reply:
    """Of a user enrollment only what management has installed: the rest is the person's own."""
    identifiers, items = asked.keys.get("Identifiers"), asked.keys.get("Items")
    managed = {
        identifier: App(identifier, each.name or identifier, each.version or "1.0", _MANAGED_SIZE)
        for identifier, each in asked.contents.apps.apps.items()
        if each.status == "Managed"
    }
    only_managed = asked.keys.get("ManagedAppsOnly") is True or asked.enrollment.profile.enrollment_mode == "BYOD"
    own = {} if only_managed else {app.identifier: app for app in asked.contents.own_apps.all()}
    apps: list[PlistValue] = [
        {name: value for name, value in _listed(app).items() if not isinstance(items, list) or name in items}
        for app in (own | managed).values()
        if not isinstance(identifiers, list) or app.identifier in identifiers
    ]
    return tell(asked, InstalledApplicationList=apps)


def _listed(app: App) -> dict[str, PlistValue]:
    return {
        "Identifier": app.identifier,
        "Name": app.name,
        "Version": app.version,
        "ShortVersion": app.version,
        "BundleSize": app.size,
        "DynamicSize": app.size // 10,
        "IsValidated": True,
        "Installing": False,
        "ExternalVersionIdentifier": 0,
        "AppStoreVendable": False,
        "DeviceBasedVPP": False,
        "BetaApp": False,
        "AdHocCodeSigned": False,
        "HasUpdateAvailable": False,
        "IsAppClip": False,
        "Path": f"/Applications/{app.name}.app",
    }


def managed_application_list(asked: Asked) -> Reply:
    return tell(asked, ManagedApplicationList=asked.contents.apps.listed(asked.keys.get("Identifiers")))
