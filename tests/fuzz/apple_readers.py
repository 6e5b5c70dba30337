"""The readers of `corral.apple`: what devices send and are sent, and what people bring in Apple's forms."""

import base64
import plistlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache

from corral.apple import plist
from corral.apple.app_manifest import Manifest, ManifestError, Package, read_manifest, write_manifest
from corral.apple.catalog import Target, lint
from corral.apple.checkin import CheckinError, read_checkin
from corral.apple.command import CommandError, read_raw
from corral.apple.given import read_given
from corral.apple.installed_profile import ProfileError, read_enrollment_profile, read_identity_profile
from corral.apple.inventory.attributes import ATTRIBUTES
from corral.apple.inventory.certificates import certificates
from corral.apple.inventory.facts import Facts
from corral.apple.inventory.items import ITEM_KINDS
from corral.apple.inventory.reading import REPORTS
from corral.apple.inventory.reading import read as read_facts
from corral.apple.inventory.value import key, read_written, written
from corral.apple.machine_info import (
    MachineInfo,
    MachineInfoError,
    decode_header,
    read_machine_info,
    write_machine_info,
)
from corral.apple.platform import Platform, version
from corral.apple.plist import PlistError, binary, xml
from corral.apple.profile import EnrollmentFacts, ScepIdentity, enrollment_profile
from corral.apple.report import ReportError, error_chain, read_lenient, read_report
from fuzz.pki_readers import world
from fuzz.reader import Reader, check_text, of_text, reader

_TARGETS = (Target(), Target(Platform.IOS, "18.2", supervised=False), Target(Platform.MACOS, "15.2", "user"))
_UUIDS = [f"9A1F2C3D-0000-4000-8000-00000000000{digit}" for digit in "123"]


def _plist(data: bytes) -> None:
    """What is read is what Python's own library reads, and can be written and read again."""
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


def _profile(data: bytes) -> None:
    profile = plist.parse_dict(data)
    for target in _TARGETS:
        lint(profile, target)


def _machine_info(data: bytes) -> MachineInfo:
    info = read_machine_info(data)
    assert read_machine_info(write_machine_info(info)) == info
    return info


def _manifest(data: bytes) -> Manifest:
    manifest = read_manifest(data)
    assert manifest.package.url.startswith("https://")
    return manifest


@cache
def messages() -> Sequence[bytes]:
    """Of devices, of whoever queues commands, and of whoever brings profiles."""
    facts = EnrollmentFacts("e", _UUIDS[0], _UUIDS[1], "o", "d", "https://h/mdm", "com.apple.mgmt.x")
    identity = {"UDID": "D", "UserID": "U", "UserShortName": "n"}
    said: list[dict[str, object]] = [
        {"MessageType": "Authenticate", "Topic": "t", "UDID": "D", "OSVersion": "17.0"},
        {"MessageType": "TokenUpdate", "Topic": "t", "PushMagic": "m", "Token": b"\x01" * 32, **identity},
        {"MessageType": "DeclarativeManagement", "Endpoint": "status", "Data": b"{}", **identity},
        {"MessageType": "SetBootstrapToken", "BootstrapToken": b"\x02" * 32, "EnrollmentID": "E"},
        {"MessageType": "UserAuthenticate", "DigestResponse": 'Digest username="n",realm="r"', **identity},
        {"MessageType": "GetToken", "TokenServiceType": "com.apple.watch.pairing", "UDID": "D"},
        {"Status": "Idle", "UDID": "D"},
        {"Status": "Error", "CommandUUID": "C", "UDID": "D", "ErrorChain": [{"ErrorCode": 1, "ErrorDomain": "d"}]},
        {
            "Status": "Acknowledged",
            "CommandUUID": "C",
            "UDID": "D",
            "SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": b"\x30\x03\x02\x01\x01"},
            "ActivationLockBypassCode": "0A0A0-B1B1B",
        },
        {"CommandUUID": "C", "Command": {"RequestType": "R", "F": [1.5, True, -1]}},
        {
            "PayloadType": "Configuration",
            "PayloadIdentifier": "p",
            "PayloadUUID": "1",
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
    written = [plistlib.dumps(message, fmt=form) for message in said for form in plistlib.PlistFormat]
    return [*written, enrollment_profile(facts, ScepIdentity("https://h/scep", "n"), "c", identity_uuid=_UUIDS[2])]


def _inventory(data: bytes) -> None:
    """As the answer to every command that tells something; each value can be kept, compared, and read again."""
    answer = plist.parse_dict(data)
    for report in REPORTS:
        facts = read_facts(report, {"Queries": ["OSVersion"], "ManagedOnly": True}, answer)
        if facts is None:
            continue
        check_text(facts)
        told = [(ATTRIBUTES[name].kind, value) for name, value in facts.attributes.items() if name in ATTRIBUTES]
        told += [
            (ITEM_KINDS[item.kind].fields[name].kind, value)
            for item in facts.items
            for name, value in item.fields.items()
        ]
        for kind, value in told:
            key(kind, value).encode()
            assert key(kind, read_written(kind, written(kind, value))) == key(kind, value)


def _certificate(data: bytes) -> Facts:
    """One of a CertificateList, with what the device says of it beside."""
    return certificates({}, {"CertificateList": [{"CommonName": "c", "IsIdentity": True, "Data": data}]})


def _listed() -> Sequence[bytes]:
    return [world().identity, world().authority.der]


@cache
def _answers() -> Sequence[bytes]:
    app = {"Identifier": "a", "Version": "1.0", "ShortVersion": "1", "Name": "n", "BundleSize": 5, "Installing": False}
    device = {"OSVersion": "15.3", "ProductName": "Mac14,2", "IsSupervised": True, "BatteryLevel": 0.5}
    answers: list[dict[str, object]] = [
        {"QueryResponses": device, "Status": "Acknowledged"},
        {"SecurityInfo": {"FDE_Enabled": True, "SecureBoot": {"SecureBootLevel": "full"}}},
        {"InstalledApplicationList": [app]},
        {"ManagedApplicationList": {"a": {"Status": "Managed", "HasConfiguration": True}}},
        {"ProfileList": [{"PayloadIdentifier": "p", "PayloadUUID": "u", "IsManaged": True, "PayloadContent": []}]},
        {"CertificateList": [{"CommonName": "c", "IsIdentity": True, "Data": world().identity}]},
        {"UserList": [{"UserName": "u", "IsLoggedIn": True, "DataUsed": 1}]},
        {"AvailableOSUpdates": [{"ProductKey": "k", "Version": "15.4", "DownloadSize": 1.5}]},
        {"OSUpdateStatus": [{"ProductKey": "k", "Status": "Idle", "DownloadPercentComplete": 0.0}]},
        {"ProvisioningProfileList": [{"Name": "n", "UUID": "u", "ExpiryDate": datetime(2027, 1, 1)}]},
        {
            "GlobalRestrictions": {
                "restrictedBool": {"allowCamera": {"value": False}},
                "union": {"x": {"values": ["a"]}},
            }
        },
    ]
    return [plistlib.dumps(answer, fmt=form) for answer in answers for form in plistlib.PlistFormat]


def _enrollment_profiles() -> Sequence[bytes]:
    return messages()[-1:]


def _machine_infos() -> Sequence[bytes]:
    info = MachineInfo(product="Mac14,2", build_version="1", udid="U", serial_number="S", os_version="15.2")
    return [write_machine_info(info)]


def _headers() -> Sequence[bytes]:
    return [base64.b64encode(each) for each in _machine_infos()]


def _manifests() -> Sequence[bytes]:
    package = Package(url="https://h/a.ipa", size=1, chunk_size=1, sha256s=("0" * 64,))
    return [write_manifest(Manifest(bundle_id="b", version="1", title="t", package=package))]


def _versions() -> Sequence[bytes]:
    return [b"17.6.1", b"16.1 (a)", b"0"]


READERS: tuple[Reader, ...] = (
    reader(
        plist.parse,
        samples=messages,
        call=_plist,
        also=(plist.parse_dict, plist.top_level, plist.repair, binary.parse, xml.parse),
    ),
    reader(lint, PlistError, samples=messages, call=_profile),
    reader(read_checkin, CheckinError, samples=messages),
    reader(read_report, ReportError, samples=messages),
    reader(read_lenient, ReportError, samples=messages),
    reader(error_chain, ReportError, samples=messages),
    reader(read_given, samples=messages),
    reader(certificates, samples=_listed, call=_certificate),
    reader(read_facts, PlistError, samples=_answers, call=_inventory, also=(key, read_written)),
    reader(read_raw, CommandError, samples=messages),
    reader(read_enrollment_profile, ProfileError, samples=_enrollment_profiles),
    reader(read_identity_profile, ProfileError, samples=_enrollment_profiles),
    reader(read_manifest, ManifestError, samples=_manifests, call=_manifest),
    reader(read_machine_info, MachineInfoError, samples=_machine_infos, call=_machine_info),
    reader(decode_header, MachineInfoError, samples=_headers, call=of_text(decode_header, "latin-1")),
    reader(version, ValueError, samples=_versions, call=of_text(version)),
)
