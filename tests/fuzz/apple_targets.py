"""What the fuzzer calls in `corral.apple`: each takes any bytes and lets no exception out but that of a real
defect. `seeds` has good messages to start from."""

import plistlib
from contextlib import suppress

from corral.apple import plist
from corral.apple.app_manifest import Manifest, ManifestError, Package, read_manifest, write_manifest
from corral.apple.catalog import Target, lint
from corral.apple.checkin import CheckinError, read_checkin
from corral.apple.command import CommandError, read_raw
from corral.apple.installed_profile import ProfileError, read_enrollment_profile
from corral.apple.machine_info import (
    MachineInfo,
    MachineInfoError,
    decode_header,
    read_machine_info,
    write_machine_info,
)
from corral.apple.platform import Platform
from corral.apple.plist import PlistError
from corral.apple.profile import EnrollmentFacts, ScepIdentity, enrollment_profile
from corral.apple.report import ReportError, error_chain, read_lenient, read_report


def fuzz_plist(data: bytes) -> None:
    with suppress(PlistError):
        value = plist.parse(data)
        oracle: object = value
        with suppress(Exception):  # plistlib raises what it likes, and is stricter here and there
            oracle = plistlib.loads(data)
        # As text, since a number that is none equals nothing.
        assert repr(value) == repr(oracle)
        with suppress(PlistError):
            plist.parse(plist.dump(value))
    with suppress(PlistError):
        plist.top_level(data)
    with suppress(PlistError):
        plist.parse(plist.repair(data))


def fuzz_checkin(data: bytes) -> None:
    with suppress(CheckinError):
        repr(read_checkin(data))
    with suppress(CommandError):
        read_raw(data)
    with suppress(ProfileError):
        read_enrollment_profile(data)


def fuzz_profile(data: bytes) -> None:
    with suppress(ManifestError):
        assert read_manifest(data).package.url.startswith("https://")
    with suppress(PlistError):
        profile = plist.parse_dict(data)
        for target in (
            Target(),
            Target(Platform.IOS, "18.2", supervised=False),
            Target(Platform.MACOS, "15.2", "user"),
        ):
            lint(profile, target)


def fuzz_report(data: bytes) -> None:
    with suppress(ReportError):
        read_report(data)
    with suppress(ReportError):
        read_lenient(data)
    with suppress(ReportError):
        error_chain(data)


def fuzz_machine_info(data: bytes) -> None:
    with suppress(MachineInfoError):
        info = read_machine_info(data)
        assert read_machine_info(write_machine_info(info)) == info
    with suppress(MachineInfoError):
        decode_header(data.decode("latin-1"))


def seeds(_target: str) -> list[bytes]:
    uuids = [f"9A1F2C3D-0000-4000-8000-00000000000{digit}" for digit in "123"]
    facts = EnrollmentFacts("e", uuids[0], uuids[1], "o", "d", "https://h/mdm", "com.apple.mgmt.x")
    identity = {"UDID": "D", "UserID": "U", "UserShortName": "n"}
    messages: list[dict[str, object]] = [
        {"MessageType": "Authenticate", "Topic": "t", "UDID": "D", "OSVersion": "17.0"},
        {"MessageType": "TokenUpdate", "Topic": "t", "PushMagic": "m", "Token": b"\x01" * 32, **identity},
        {"MessageType": "DeclarativeManagement", "Endpoint": "status", "Data": b"{}", **identity},
        {"Status": "Idle", "UDID": "D"},
        {"Status": "Error", "CommandUUID": "C", "UDID": "D", "ErrorChain": [{"ErrorCode": 1, "ErrorDomain": "d"}]},
        {"CommandUUID": "C", "Command": {"RequestType": "R", "F": [1.5, True, -1]}},
        {
            "PayloadType": "Configuration",
            "PayloadContent": [
                {
                    "PayloadType": "com.apple.wifi.managed",
                    "EncryptionType": "WPA2",
                    "PayloadUUID": "1",
                    "AutoJoin": True,
                },
                {"PayloadType": "com.apple.dnsSettings.managed", "DNSSettings": {"DNSProtocol": "TLS"}},
            ],
        },
    ]
    machine = write_machine_info(MachineInfo(product="Mac14,2", build_version="1", udid="U", serial_number="S"))
    written = [machine]
    written += [plistlib.dumps(message, fmt=form) for message in messages for form in plistlib.PlistFormat]
    package = Package(url="https://h/a.ipa", size=1, chunk_size=1, sha256s=("0" * 64,))
    written.append(write_manifest(Manifest(bundle_id="b", version="1", title="t", package=package)))
    return [*written, enrollment_profile(facts, ScepIdentity("https://h/scep", "n"), "c", identity_uuid=uuids[2])]
