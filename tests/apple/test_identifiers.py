from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple.identifiers import SHARED_IPAD_USER_ID, IdentifierError, Kind, Speaker, identify

NAMES = {"UserShortName": "cjoe", "UserLongName": "Commando Joe"}


@pytest.mark.parametrize(
    ("message", "speaker"),
    [
        ({"UDID": "D"}, Speaker("D", "", Kind.DEVICE)),
        ({"UDID": "D", "UserID": "U", **NAMES}, Speaker("D", "U", Kind.USER, "cjoe", "Commando Joe")),
        ({"UDID": "D", "UserID": "U"}, Speaker("D", "U", Kind.USER)),
        (
            {"UDID": "D", "UserID": SHARED_IPAD_USER_ID, **NAMES},
            Speaker("D", "cjoe", Kind.SHARED_IPAD_USER, "cjoe", "Commando Joe"),
        ),
        ({"EnrollmentID": "E"}, Speaker("E", "", Kind.USER_ENROLLMENT_DEVICE)),
        (
            {"EnrollmentID": "E", "EnrollmentUserID": "V", **NAMES},
            Speaker("E", "V", Kind.USER_ENROLLMENT_USER, "cjoe", "Commando Joe"),
        ),
        # A user of the other kind of enrollment says nothing.
        ({"EnrollmentID": "E", "UserID": "U"}, Speaker("E", "", Kind.USER_ENROLLMENT_DEVICE)),
        ({"UDID": "D", "EnrollmentUserID": "V"}, Speaker("D", "", Kind.DEVICE)),
        ({"UDID": "D", "EnrollmentID": "E"}, Speaker("D", "", Kind.DEVICE)),
        # A name that cannot be kept is no reason to refuse the message.
        ({"UDID": "D", "UserID": "U", "UserShortName": 5}, Speaker("D", "U", Kind.USER)),
        ({"UDID": "D", "UserID": "U", "UserLongName": "a\x07"}, Speaker("D", "U", Kind.USER)),
    ],
)
def test_who_speaks(message: dict[str, Any], speaker: Speaker) -> None:
    assert identify(message) == speaker


@pytest.mark.parametrize(
    "udid",
    [
        "1c111c111c111c111c111c111c111c111c111c11",
        "00008020-000000000000002E",
        "E3568F17-92ED-450A-8904-C3BF4CB7E9A5",
        "e3568f17-92ed-450a-8904-c3bf4cb7e9a5",
        "x",
        "y" * 255,
    ],
)
def test_identifiers_are_opaque_and_kept_as_they_are(udid: str) -> None:
    assert identify({"UDID": udid}).device_id == udid


@pytest.mark.parametrize("bad", ["", "a b", "a/b", "a\n", "a\x00", "caf\u00e9", "x" * 256, 5, b"x", None, ["x"], True])
def test_device_identifiers_that_no_device_has_are_refused(bad: object) -> None:
    for key in ("UDID", "EnrollmentID"):
        with pytest.raises(IdentifierError, match=f"{key} must be"):
            identify({key: bad})


@pytest.mark.parametrize("bad", ["", "a\n", "a\x00", "\x9f", "\u2028", "\ud800", "x" * 256, 5, None])
def test_user_identifiers_with_control_characters_are_refused(bad: object) -> None:
    for message in (
        {"UDID": "D", "UserID": bad},
        {"UDID": "D", "UserID": SHARED_IPAD_USER_ID, "UserShortName": bad},
        {"EnrollmentID": "E", "EnrollmentUserID": bad},
    ):
        with pytest.raises(IdentifierError, match="must be"):
            identify(message)


def test_a_managed_apple_account_is_a_user_identifier() -> None:
    message = {"UDID": "D", "UserID": SHARED_IPAD_USER_ID, "UserShortName": "j\u00fcrgen o'neil/x@school.example"}
    assert identify(message).user_id == message["UserShortName"]


def test_a_shared_ipad_user_without_a_short_name_is_refused() -> None:
    with pytest.raises(IdentifierError, match="UserShortName"):
        identify({"UDID": "D", "UserID": SHARED_IPAD_USER_ID})


@given(
    st.dictionaries(
        st.sampled_from(["UDID", "UserID", "EnrollmentID", "EnrollmentUserID", "UserShortName"]),
        st.text() | st.integers() | st.binary(),
    )
)
def test_every_message_is_attributed_or_refused(message: dict[str, Any]) -> None:
    try:
        speaker = identify(message)
    except IdentifierError:
        return
    assert speaker.device_id in (message.get("UDID"), message.get("EnrollmentID"))
    assert bool(speaker.user_id) == speaker.kind.is_user_channel
