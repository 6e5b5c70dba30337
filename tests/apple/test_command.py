import plistlib

import pytest

from corral.apple import plist
from corral.apple.command import Command, CommandError, build, command_keys, read_raw


def test_a_command_holds_its_keys_in_order_and_data_once() -> None:
    command = build("C-1", "InstallProfile", {"Payload": b"<plist/>", "Also": 1})
    assert (command.uuid, command.request_type) == ("C-1", "InstallProfile")
    assert plistlib.loads(command.body) == {
        "CommandUUID": "C-1",
        "Command": {"RequestType": "InstallProfile", "Payload": b"<plist/>", "Also": 1},
    }
    assert command.body.index(b"RequestType") < command.body.index(b"Payload") < command.body.index(b"Also")
    # Encoded once: the double encoding of profiles is a classic.
    assert b"PHBsaXN0Lz4=" in command.body
    assert command_keys(command) == {"Payload": b"<plist/>", "Also": 1}


@pytest.mark.parametrize(
    ("uuid", "request_type", "keys"),
    [
        ("", "DeviceLock", {}),
        ("x" * 256, "DeviceLock", {}),
        ("a\nb", "DeviceLock", {}),
        ("C", "", {}),
        ("C", "DeviceLock", {"RequestType": "EraseDevice"}),
        ("C", "DeviceLock", {"Message": "\x00"}),
        ("C", "DeviceLock", {"PIN": None}),
    ],
)
def test_a_command_that_no_device_could_answer_is_not_built(uuid: str, request_type: str, keys: dict[str, str]) -> None:
    with pytest.raises(CommandError):
        build(uuid, request_type, keys)


def test_a_raw_command_is_kept_byte_for_byte() -> None:
    raw = b"""<plist><!-- by hand --><dict>
      <key>Command</key><dict><key>RequestType</key><string>New</string><key>A</key><integer>0x10</integer></dict>
      <key>CommandUUID</key><string>mine</string><key>Extra</key><true/></dict></plist>"""
    assert read_raw(raw) == Command("mine", "New", raw)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"Command": {"RequestType": "X"}}, "CommandUUID must be"),
        ({"CommandUUID": 5, "Command": {"RequestType": "X"}}, "CommandUUID must be"),
        ({"CommandUUID": "C", "Command": {}}, "RequestType must be"),
        ({"CommandUUID": "C", "Command": {"RequestType": ["X"]}}, "RequestType must be"),
        ({"CommandUUID": "C", "Command": "X"}, "Command must be"),
        ({"CommandUUID": "C"}, "Command must be"),
        ([], "dictionary"),
    ],
)
def test_a_raw_command_must_say_what_it_is(message: plist.PlistValue, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        read_raw(plist.dump(message))


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("", "<key>RequestType</key><string>EraseDevice</string>"),
        ("<key>Command</key><dict><key>RequestType</key><string>EraseDevice</string></dict>", ""),
        ("<key>CommandUUID</key><string>another</string>", ""),
        ("", "<key>Settings</key><dict><key>A</key><true/><key>&#65;</key><false/></dict>"),
    ],
)
def test_a_raw_command_must_be_the_same_to_every_reader(outside: str, inside: str) -> None:
    raw = (
        f"<plist><dict>{outside}<key>Command</key><dict>{inside}<key>RequestType</key><string>ProfileList</string></dict>"
        "<key>CommandUUID</key><string>C</string></dict></plist>"
    )
    with pytest.raises(CommandError, match="a key that comes twice"):
        read_raw(raw.encode())


def test_a_raw_command_in_binary_is_refused() -> None:
    message = {"CommandUUID": "C", "Command": {"RequestType": "X"}}
    with pytest.raises(CommandError, match="XML"):
        read_raw(plistlib.dumps(message, fmt=plistlib.FMT_BINARY))


def test_the_body_is_not_shown() -> None:
    assert "123456" not in repr(build("C", "DeviceLock", {"PIN": "123456"}))
