"""What people bring to be kept and sent, as small as it can be."""

import plistlib
from typing import Any


def profile(identifier: str = "org.example.wifi", uuid: str = "9C0F-1", **wifi: Any) -> bytes:
    """A profile with one Wi-Fi payload, whose password is a secret."""
    payload = {
        "PayloadType": "com.apple.wifi.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.payload",
        "PayloadUUID": f"{uuid}-1",
        "SSID_STR": "Office",
        "EncryptionType": "WPA2",
        "Password": "correct horse",
        **wifi,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": identifier,
            "PayloadUUID": uuid,
            "PayloadDisplayName": "Office Wi-Fi",
            "PayloadContent": [payload],
        }
    )


PROFILE = profile()
