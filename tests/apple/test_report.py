from pathlib import Path
from typing import Any

import pytest

from corral.apple import plist
from corral.apple.identifiers import Kind, Speaker
from corral.apple.report import ErrorItem, Report, ReportError, Status, error_chain, read_lenient, read_report

DEVICE = Speaker("D", "", Kind.DEVICE)
DONE: dict[str, Any] = {"UDID": "D", "Status": "Acknowledged", "CommandUUID": "C"}
APPS: dict[str, Any] = {**DONE, "InstalledApplicationList": [{"Name": "App", "Identifier": "com.x"}]}


def test_every_status_is_read() -> None:
    for status in Status:
        report = read_report(plist.dump({**DONE, "Status": status.value}))
        assert report == Report(DEVICE, status, None if status is Status.IDLE else "C")


def test_results_are_not_needed_to_read_a_report() -> None:
    assert read_report(plist.dump(APPS)) == Report(DEVICE, Status.ACKNOWLEDGED, "C")


def test_flags_of_a_mac_are_read() -> None:
    message = {
        "UDID": "D",
        "UserID": "U",
        "Status": "Idle",
        "NotOnConsole": True,
        "NeedSyncResponse": True,
        "UserConfiguration": True,
    }
    expected = Report(Speaker("D", "U", Kind.USER), Status.IDLE, None, True, True, True)
    assert read_report(plist.dump(message)) == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Status": "Bored"}, "Status must be one of Idle, Acknowledged"),
        ({"Status": None}, "Status must be"),
        ({"Status": {"a": 1}}, "Status must be"),
        ({"CommandUUID": None}, "CommandUUID must be"),
        ({"CommandUUID": ""}, "CommandUUID must be"),
        ({"CommandUUID": 5}, "CommandUUID must be"),
        ({"CommandUUID": ["C"]}, "CommandUUID must be"),
        ({"CommandUUID": "C" * 256}, "CommandUUID must be"),
        ({"UDID": None}, "neither UDID nor EnrollmentID"),
    ],
)
def test_what_cannot_be_attributed_is_refused(change: dict[str, Any], reason: str) -> None:
    message = {key: value for key, value in {**DONE, **change}.items() if value is not None}
    with pytest.raises(ReportError, match=reason):
        read_report(plist.dump(message))


@pytest.mark.parametrize("broken", [b"A\x00pp", b"A&#0;pp", b"A\xc3\x28pp", b"\xed\xa0\x80App", b"App\x1b"])
def test_a_broken_report_is_still_attributed_once_it_is_repaired(broken: bytes) -> None:
    data = plist.dump(APPS).replace(b"<string>App<", b"<string>" + broken + b"<")
    with pytest.raises(ReportError, match="report: "):
        read_report(data)
    assert read_lenient(data) == Report(DEVICE, Status.ACKNOWLEDGED, "C")


@pytest.mark.parametrize("data", [b"", b"\x00", plist.dump(APPS)[:-20], plist.dump([1]), b"x" * (17 * 1024 * 1024)])
def test_what_repair_cannot_help_is_refused(data: bytes) -> None:
    with pytest.raises(ReportError, match="report: "):
        read_lenient(data)


def test_an_error_chain_is_read_when_asked_for() -> None:
    chain = [
        {
            "ErrorCode": 12021,
            "ErrorDomain": "MCMDMErrorDomain",
            "LocalizedDescription": "Unbekannt",
            "USEnglishDescription": "Unknown",
        },
        {"ErrorCode": "odd", "LocalizedDescription": "x" * 10_000},
        "no dictionary",
    ]
    items = error_chain(plist.dump({**DONE, "Status": "Error", "ErrorChain": chain}))
    assert items == (ErrorItem(12021, "MCMDMErrorDomain", "Unbekannt", "Unknown"), ErrorItem(0, "", "x" * 4096))


def test_an_error_chain_is_empty_where_there_is_none_and_bounded_where_there_is_much() -> None:
    assert error_chain(plist.dump(DONE)) == ()
    assert error_chain(plist.dump({**DONE, "ErrorChain": "text"})) == ()
    assert len(error_chain(plist.dump({**DONE, "ErrorChain": [{"ErrorCode": 1}] * 5000}))) == 64
    with pytest.raises(ReportError):
        error_chain(b"<plist>")


def test_the_error_of_a_real_mac(sample: Path) -> None:
    if sample.stem != "Errors-10.13.6-invalid-command":
        return
    (item,) = error_chain(sample.read_bytes())
    assert (item.code, item.domain) == (12021, "MCMDMErrorDomain")
