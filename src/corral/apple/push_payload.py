"""What is pushed to a device to make it poll (Apple: "Sending push notifications to devices")."""

import json


def body(push_magic: str) -> bytes:
    """The whole payload; Apple's service must be asked for it without an `aps` key."""
    return json.dumps({"mdm": push_magic}, separators=(",", ":"), ensure_ascii=False).encode()
