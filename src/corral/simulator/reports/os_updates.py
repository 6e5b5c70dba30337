"""Apple: "Available OS Updates Command", "Schedule OS Update Command", "OS Update Status Command"."""

from collections.abc import Mapping

from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply, Then
from corral.simulator.reports.answering import tell
from corral.simulator.systems import System, next_system

_GIGABYTE = 1_000_000_000


def available_os_updates(asked: Asked) -> Reply:
    system = next_system(asked.facts)
    return tell(asked, AvailableOSUpdates=[] if system is None else [_offered(system)])


def _offered(system: System) -> dict[str, PlistValue]:
    return {
        "ProductKey": system.key,
        "HumanReadableName": f"{system.name} {system.version}",
        "HumanReadableNameLocale": "en",
        "MetadataURL": "https://updates.example.com/metadata",
        "ProductName": system.name,
        "Version": system.version,
        "Build": system.build,
        "DownloadSize": 3 * _GIGABYTE,
        "InstallSize": 6 * _GIGABYTE,
        "AppIdentifiersToClose": [],
        "IsCritical": False,
        "IsConfigDataUpdate": False,
        "IsFirmwareUpdate": False,
        "IsMajorOSUpdate": False,
        "RestartRequired": True,
        "AllowsInstallLater": True,
        "RequiresBootstrapToken": False,
        "IsSecurityResponse": False,
    }


def os_update_status(asked: Asked) -> Reply:
    """Nothing is under way: an update is installed as soon as its command was answered."""
    return tell(asked, OSUpdateStatus=[])


def schedule_os_update(asked: Asked) -> Reply:
    """Installs at once what there is, whenever it is told to install at all."""
    system, wanted = next_system(asked.facts), asked.keys.get("Updates")
    results: list[PlistValue] = []
    installs = False
    for each in wanted if isinstance(wanted, list) else ():
        if not isinstance(each, Mapping):
            continue
        action = str(each.get("InstallAction"))
        action = "InstallASAP" if action == "Default" else action
        fits = system is not None and (
            each.get("ProductKey", system.key) == system.key
            and each.get("ProductVersion", system.version) == system.version
        )
        installs = installs or (fits and action in ("InstallASAP", "InstallForceRestart", "InstallLater"))
        results.append(
            {
                "ProductKey": str(each.get("ProductKey") or (system.key if system else "")),
                "InstallAction": action if fits else "Error",
                "Status": "Installing" if installs else "Idle",
            }
        )
    then = Then.UPDATE_SYSTEM if installs else Then.GO_ON
    reply = tell(asked, UpdateResults=results)
    return Reply(keys=reply.keys, then=then)
