"""What a device tells of itself before it is enrolled."""

import base64
import plistlib
from typing import Any

import pytest

from corral.apple.machine_info import (
    MAX_MESSAGE,
    MachineInfo,
    MachineInfoError,
    decode_header,
    read_machine_info,
    write_machine_info,
)
from corral.apple.platform import Platform

FULL = MachineInfo(
    product="iPad13,18",
    build_version="21G101",
    udid="00008101-000000000000001E",
    serial_number="DMPC",
    os_version="17.6.1",
    supplemental_build_version="21G102",
    supplemental_os_version="(a)",
    imei="35",
    meid="A0",
    language="de",
    can_request_software_update=True,
    must_update=True,
    software_update_device_id="iPad13,18",
    can_request_platform_sso=True,
    pairing_token=b"token",
    challenge="c",
)


@pytest.mark.parametrize("info", [FULL, MachineInfo(product="Mac14,2", build_version="23G93")])
def test_what_is_written_is_read(info: MachineInfo) -> None:
    assert read_machine_info(write_machine_info(info)) == info


def test_it_says_what_the_device_is() -> None:
    assert (FULL.platform, FULL.family, FULL.version) == (Platform.IOS, "iPad", "17.6.1 (a)")
    mac = MachineInfo(product="MacBookPro16,1", build_version="1")
    assert (mac.platform, mac.family, mac.version) == (Platform.MACOS, "Mac", None)
    assert MachineInfo(product="Toaster1,1", build_version="1").family == ""


def test_secrets_are_not_shown() -> None:
    assert "token'" not in repr(FULL)
    assert "challenge" not in repr(FULL)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"VERSION": "1"}, "PRODUCT"),
        ({"PRODUCT": "Mac14,2"}, "VERSION"),
        ({"PRODUCT": "Mac14,2", "VERSION": "1", "UDID": 7}, "UDID"),
        ({"PRODUCT": "Mac14,2", "VERSION": "1", "SERIAL": ""}, "SERIAL"),
        ({"PRODUCT": "Mac14,2", "VERSION": "1", "SERIAL": "x" * 256}, "SERIAL"),
        ({"PRODUCT": "Mac14,2", "VERSION": "1", "PAIRING_TOKEN": b"x" * 9000}, "PAIRING_TOKEN"),
    ],
)
def test_a_key_that_is_wrong_is_named(keys: dict[str, Any], names: str) -> None:
    with pytest.raises(MachineInfoError, match=names):
        read_machine_info(plistlib.dumps(keys))


@pytest.mark.parametrize("data", [b"", b"no plist", plistlib.dumps([]), plistlib.dumps({"A": [[[[[1]]]]]})])
def test_what_is_no_property_list_of_that_kind_is_refused(data: bytes) -> None:
    with pytest.raises(MachineInfoError):
        read_machine_info(data)


MESSAGE = bytes(range(256))


@pytest.mark.parametrize(
    "header",
    [
        base64.b64encode(MESSAGE).decode(),
        base64.urlsafe_b64encode(MESSAGE).decode(),
        base64.b64encode(MESSAGE).decode().rstrip("="),
        base64.encodebytes(MESSAGE).decode(),
    ],
)
def test_a_header_is_read_in_every_kind_of_base64(header: str) -> None:
    assert decode_header(header) == MESSAGE


@pytest.mark.parametrize("header", ["!", "A", "A" * (MAX_MESSAGE + 1), "Ä"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(MachineInfoError):
        decode_header(header)
