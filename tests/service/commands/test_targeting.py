"""What has to be known of a target before anybody can say whether it takes a command."""

from typing import Any

import pytest

from corral.service.commands.targeting import asks_supervision


@pytest.mark.parametrize(
    ("request_type", "keys", "asks"),
    [
        ("RestartDevice", {}, True),
        ("LogOutUser", {}, True),
        ("DeviceConfigured", {}, True),
        ("SecurityInfo", {}, False),
        ("Settings", {"Settings": [{"Item": "Wallpaper", "Image": b"x", "Where": 1}]}, True),
        ("Settings", {"Settings": [{"Item": "MaximumResidentUsers", "MaximumResidentUsers": 2}]}, True),
        ("Settings", {"Settings": [{"Item": "DataRoaming", "Enabled": True}]}, False),
        ("DeviceInformation", {"Queries": ["OSVersion"]}, False),
        ("DeviceInformation", {"Queries": ["OSVersion", "QuotaSize"]}, True),
        ("Explode", {}, False),
    ],
)
def test_a_key_may_ask_for_supervision_where_its_command_does_not(
    request_type: str, keys: dict[str, Any], asks: bool
) -> None:
    assert asks_supervision(request_type, keys) is asks
