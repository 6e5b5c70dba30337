import json
from pathlib import Path
from typing import Any

import pytest

from corral.apple import checkin, plist
from corral.apple.checkin import (
    Authenticate,
    Checkin,
    CheckinError,
    CheckOut,
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    ReturnToService,
    SetBootstrapToken,
    TokenUpdate,
    UserAuthenticate,
    read_checkin,
)
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import ReportError, read_report

DEVICE = Speaker("D", "", Kind.DEVICE)
USER = Speaker("D", "U", Kind.USER)
TOPIC = "com.apple.mgmt.External.1"
TOKEN_UPDATE: dict[str, Any] = {
    "MessageType": "TokenUpdate",
    "UDID": "D",
    "Topic": TOPIC,
    "PushMagic": "magic",
    "Token": b"\x01" * 32,
}


def read(message: dict[str, Any]) -> Checkin:
    return read_checkin(plist.dump(message))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {
                "MessageType": "Authenticate",
                "UDID": "D",
                "Topic": TOPIC,
                "OSVersion": "17.6",
                "BuildVersion": "21G80",
                "ProductName": "iPad4,1",
                "SerialNumber": "C0",
                "IMEI": "1",
                "MEID": "2",
                "DeviceName": "n",
                "Model": "m",
                "ModelName": "iPad",
            },
            Authenticate(DEVICE, TOPIC, "17.6", "21G80", "iPad4,1", "C0", "1", "2", "n", "m", "iPad"),
        ),
        ({"MessageType": "Authenticate", "UDID": "D", "Topic": TOPIC}, Authenticate(DEVICE, TOPIC)),
        (TOKEN_UPDATE, TokenUpdate(DEVICE, TOPIC, "magic", b"\x01" * 32)),
        (
            {**TOKEN_UPDATE, "UserID": "U", "NotOnConsole": True, "AwaitingConfiguration": True, "UnlockToken": b"u"},
            TokenUpdate(USER, TOPIC, "magic", b"\x01" * 32, b"u", True, True),
        ),
        ({"MessageType": "CheckOut", "UDID": "D", "Topic": TOPIC}, CheckOut(DEVICE, TOPIC)),
        ({"MessageType": "UserAuthenticate", "UDID": "D", "UserID": "U"}, UserAuthenticate(USER)),
        (
            {"MessageType": "UserAuthenticate", "UDID": "D", "UserID": "U", "DigestResponse": "Digest x"},
            UserAuthenticate(USER, "Digest x"),
        ),
        (
            {"MessageType": "SetBootstrapToken", "UDID": "D", "BootstrapToken": b"b", "AwaitingConfiguration": True},
            SetBootstrapToken(DEVICE, b"b", True),
        ),
        ({"MessageType": "SetBootstrapToken", "UDID": "D"}, SetBootstrapToken(DEVICE, None)),
        ({"MessageType": "SetBootstrapToken", "UDID": "D", "BootstrapToken": b""}, SetBootstrapToken(DEVICE, None)),
        ({"MessageType": "GetBootstrapToken", "UDID": "D"}, GetBootstrapToken(DEVICE)),
        (
            {"MessageType": "GetToken", "UDID": "D", "TokenServiceType": "com.apple.maid"},
            GetToken(DEVICE, "com.apple.maid"),
        ),
        (
            {
                "MessageType": "GetToken",
                "UDID": "D",
                "TokenServiceType": "com.apple.watch.pairing",
                "TokenParameters": {"SecurityToken": "s", "PhoneUDID": "p", "WatchUDID": "w"},
            },
            GetToken(DEVICE, "com.apple.watch.pairing", "s", "p", "w"),
        ),
        (
            {"MessageType": "DeclarativeManagement", "UDID": "D", "Endpoint": "tokens"},
            DeclarativeManagement(DEVICE, "tokens"),
        ),
        (
            {"MessageType": "DeclarativeManagement", "UDID": "D", "UserID": "U", "Endpoint": "status", "Data": b"{}"},
            DeclarativeManagement(USER, "status", b"{}"),
        ),
        ({"MessageType": "ReturnToService", "UDID": "D"}, ReturnToService(DEVICE)),
    ],
)
def test_every_message_type_is_read(message: dict[str, Any], expected: Checkin) -> None:
    assert read(message) == expected


def test_unknown_keys_are_ignored_and_optional_ones_of_another_type_are_absent() -> None:
    message = {
        "MessageType": "Authenticate",
        "UDID": "D",
        "Topic": TOPIC,
        "New": [1],
        "IMEI": 5,
        "Model": b"",
        "DeviceName": "x\x85",
    }
    assert read(message) == Authenticate(DEVICE, TOPIC)
    flags = {"AwaitingConfiguration": 1, "UnlockToken": "text", "NotOnConsole": "yes"}
    assert read({**TOKEN_UPDATE, **flags}) == TokenUpdate(DEVICE, TOPIC, "magic", b"\x01" * 32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"MessageType": "Launch"}, "'Launch' is not known"),
        ({"MessageType": 5}, "MessageType must be"),
        ({"MessageType": None}, "MessageType must be"),
        ({"UDID": None}, "UDID"),
        ({"UDID": "a/b"}, "UDID"),
        ({"Topic": None}, "Topic must be"),
        ({"Topic": ""}, "Topic must be"),
        ({"Topic": "x" * 256}, "Topic must be"),
        ({"PushMagic": None}, "PushMagic must be"),
        ({"PushMagic": "x" * 256}, "PushMagic must be"),
        ({"Token": None}, "Token must be"),
        ({"Token": b""}, "Token must be"),
        ({"Token": "text"}, "Token must be"),
        ({"Token": b"x" * 257}, "Token must be"),
        ({"UnlockToken": b"x" * 65_537}, "UnlockToken must be"),
    ],
)
def test_required_keys_are_refused_by_name_in_one_line(change: dict[str, Any], reason: str) -> None:
    message = {key: value for key, value in {**TOKEN_UPDATE, **change}.items() if value is not None}
    with pytest.raises(CheckinError, match=reason) as refusal:
        read(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"MessageType": "UserAuthenticate", "UDID": "D"}, "UserID"),
        ({"MessageType": "GetToken", "UDID": "D"}, "TokenServiceType"),
        ({"MessageType": "DeclarativeManagement", "UDID": "D"}, "Endpoint"),
        ({"MessageType": "SetBootstrapToken", "UDID": "D", "BootstrapToken": b"x" * 65_537}, "BootstrapToken"),
    ],
)
def test_each_message_insists_on_its_own_keys(message: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckinError, match=reason):
        read(message)


def test_a_goodbye_needs_nothing_but_who_says_it() -> None:
    assert read({"MessageType": "CheckOut", "UDID": "D", "Topic": 1}) == CheckOut(DEVICE, None)


@pytest.mark.parametrize("data", [b"", b"<plist/>", b"\x00", plist.dump("text"), plist.dump([])])
def test_what_is_no_dictionary_is_refused(data: bytes) -> None:
    with pytest.raises(CheckinError, match="check-in: "):
        read_checkin(data)


def test_secrets_are_not_shown() -> None:
    secret = "S3CRET"
    for message in (
        {**TOKEN_UPDATE, "PushMagic": secret, "Token": secret.encode(), "UnlockToken": secret.encode()},
        {"MessageType": "SetBootstrapToken", "UDID": "D", "BootstrapToken": secret.encode()},
        {"MessageType": "UserAuthenticate", "UDID": "D", "UserID": "U", "DigestResponse": secret},
        {"MessageType": "DeclarativeManagement", "UDID": "D", "Endpoint": "status", "Data": secret.encode()},
        {
            "MessageType": "GetToken",
            "UDID": "D",
            "TokenServiceType": "x",
            "TokenParameters": {"SecurityToken": secret},
        },
    ):
        assert secret not in repr(read(message))


def test_captured_messages_are_check_ins_or_reports(sample: Path) -> None:
    data = sample.read_bytes()
    if "MessageType" in plist.top_level(data):
        message = read_checkin(data)
        assert type(message).__name__ == sample.stem.partition("-")[0]
        with pytest.raises(ReportError):
            read_report(data)
    else:
        assert read_report(data).speaker.kind is Kind.DEVICE
        with pytest.raises(CheckinError):
            read_checkin(data)


def test_apples_list_of_messages_is_complete() -> None:
    schema = Path(__file__).resolve().parents[3] / "shared" / "apple" / "checkin.json"
    if not schema.exists():
        pytest.skip("the collected schema is not beside the repository")
    for facts in json.loads(schema.read_bytes())["checkin"]:
        assert hasattr(checkin, facts["message_type"])
        message: dict[str, Any] = {"UDID": "D", "UserID": "U"}
        for key in facts["request_keys"]:
            if key["presence"] == "required" and key["key"] not in ("EnrollmentID", "EnrollmentUserID"):
                message.setdefault(key["key"], {"data": b"x", "boolean": True}.get(key["type"], "x"))
        message["MessageType"] = facts["message_type"]
        assert type(read(message)).__name__ == facts["message_type"]
