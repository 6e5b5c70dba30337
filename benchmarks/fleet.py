"""A fleet that is ready to enroll: certificates issued, grants and certificates in the database, messages written."""

import hashlib
import os
import plistlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from benchmarks.backend import Backend
from benchmarks.signing import Signer, Workshop
from corral.app import initialize
from corral.lifecycle.change import Change
from corral.lifecycle.state import DAY, Certificate, CertificateStatus, Grant, Purpose
from corral.pki.authority import read_authority
from corral.sealing import Sealer, make_key_file, read_keys
from corral.service.clock import system_clock
from corral.settings import Settings, read_settings
from corral.simulator.facts import Facts, Model, make_facts
from corral.store.store import Store

TOPIC: Final = "com.apple.mgmt.External.00000000-0000-4000-8000-000000000000"
RESULT_SIZE: Final = 4096
"""Bytes of the result of a command: a DeviceInformation with most queries has about as many."""


@dataclass(frozen=True, slots=True)
class Device:
    facts: Facts
    connection: str
    signer: Signer

    @property
    def udid(self) -> str:
        return self.facts.udid


@dataclass(frozen=True, slots=True)
class Fleet:
    """Devices, and the data folder of an installation that waits for them."""

    data: Path
    devices: Sequence[Device] = field(repr=False)


async def make_fleet(data: Path, backend: Backend, count: int, keys: int, workshop: Workshop) -> Fleet:
    """A new installation in `data` and `count` devices that may enroll there, each once."""
    settings = _make_folder(data, backend)
    await initialize(settings)
    async with backend.open_store(data, _sealer(settings)) as store:
        devices = await _certify(store, count, keys, workshop)
    return Fleet(data, devices)


def _make_folder(data: Path, backend: Backend) -> Settings:
    data.mkdir(parents=True)
    make_key_file(data / "sealing.key")
    return read_settings({"data": data, "public_url": "https://mdm.example.org", **backend.settings()})


async def _certify(store: Store, count: int, keys: int, workshop: Workshop) -> list[Device]:
    certificate, key = [await store.vault.get_secret(f"authority.{each}") for each in ("certificate", "key")]
    assert certificate is not None
    assert key is not None
    connections = [str(uuid.uuid4()) for _ in range(count)]
    signers = await workshop.issue(read_authority(certificate, key), await workshop.make_keys(keys), connections)
    random = Random(1)
    devices = [
        Device(make_facts(random, Model.IPHONE, number=number), connection, signer)
        for number, (connection, signer) in enumerate(zip(connections, signers, strict=True))
    ]
    for device in devices:
        await store.devices.commit(_permission(device))
    return devices


def _permission(device: Device) -> Change:
    """What SCEP leaves behind when it has issued the certificate of an enrollment."""
    now, grant_id = system_clock(), uuid.uuid4().hex
    return Change(
        grant=Grant(
            id=grant_id,
            purpose=Purpose.ENROLL,
            connection_id=device.connection,
            created_at=now,
            expires_at=now + DAY,
            keys_issued=1,
        ),
        certificates=(
            Certificate(
                fingerprint=hashlib.sha256(device.signer.certificate).digest(),
                authority="",
                purpose=Purpose.ENROLL,
                status=CertificateStatus.ISSUED,
                connection_id=device.connection,
                grant_id=grant_id,
                issued_at=now,
                not_after=now + 90 * DAY,
                der=device.signer.certificate,
            ),
        ),
        at=now,
    )


def _sealer(settings: Settings) -> Sealer:
    path = settings.sealing_key_file
    return Sealer(read_keys(path.read_text(), str(path)))


# What devices say (Apple: "Check-in"; "Sending MDM commands to a device").


def authenticate(device: Device) -> bytes:
    facts = device.facts
    return plistlib.dumps(
        {
            "MessageType": "Authenticate",
            "UDID": facts.udid,
            "Topic": TOPIC,
            "OSVersion": facts.os_version,
            "BuildVersion": facts.build_version,
            "ProductName": facts.product_name,
            "SerialNumber": facts.serial_number,
            "DeviceName": facts.device_name,
            "Model": facts.model_number,
            "ModelName": facts.model_name,
        }
    )


def token_update(device: Device) -> bytes:
    """With a new token at each call."""
    return plistlib.dumps(
        {
            "MessageType": "TokenUpdate",
            "UDID": device.udid,
            "Topic": TOPIC,
            "PushMagic": device.connection.upper(),
            "Token": os.urandom(32),
            "AwaitingConfiguration": False,
            "NotOnConsole": False,
        }
    )


def idle(device: Device) -> bytes:
    return plistlib.dumps({"UDID": device.udid, "Status": "Idle"})


def result(device: Device, command_uuid: str) -> bytes:
    """An acknowledged DeviceInformation of RESULT_SIZE bytes."""
    facts = device.facts
    answers: dict[str, Any] = {
        "UDID": facts.udid,
        "DeviceName": facts.device_name,
        "OSVersion": facts.os_version,
        "BuildVersion": facts.build_version,
        "ProductName": facts.product_name,
        "SerialNumber": facts.serial_number,
        "BatteryLevel": 0.83,
        "IsSupervised": True,
        "ServiceSubscriptions": [],
    }
    message = {"CommandUUID": command_uuid, "QueryResponses": answers, "Status": "Acknowledged", "UDID": facts.udid}
    random = Random(command_uuid)
    while (room := RESULT_SIZE - len(plistlib.dumps(message))) > 180:
        subscription = {"Slot": f"CTSubscriptionSlot{random.choice('OneTwo')}", "ICCID": str(random.randrange(10**19))}
        answers["ServiceSubscriptions"].append(subscription)
    answers["ModemFirmwareVersion"] = "x" * max(room - 60, 0)
    return plistlib.dumps(message)


def command(command_uuid: str) -> bytes:
    """A DeviceInformation as an operator's tool would write it."""
    queries = ["UDID", "DeviceName", "OSVersion", "BuildVersion", "ProductName", "SerialNumber", "BatteryLevel"]
    return plistlib.dumps(
        {
            "Command": {"RequestType": "DeviceInformation", "Queries": [*queries, "ServiceSubscriptions"]},
            "CommandUUID": command_uuid,
        }
    )
