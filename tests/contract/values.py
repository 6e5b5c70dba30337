"""Builders of what stores keep: every field has a plain value, and a test names those that it is about."""

import hashlib
from typing import Any

from corral.apple.report import Status
from corral.lifecycle.change import Change, Enqueue, Event, Result, Work
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Consequence,
    Device,
    Grant,
    Instant,
    Link,
    Origin,
    Phase,
    Purpose,
)
from corral.store.access import Credential, Role, User
from corral.store.ade import AdeDevice, AdeProfile, AdeRule, AdeServer, Assignment, RuleField, SyncState
from corral.store.devices import Ask, Contact
from corral.store.queue import QueuedCommand
from corral.store.vault import StoredPushCertificate

NOW: Instant = 1_790_000_000_000
TOPIC = "com.apple.mgmt.External.1c2b3a"
TOKEN = b"push token of 32 bytes: \x00\x01\xfe\xff...."
MAGIC = "5E9B2F4C-push-magic"


class Woken(list[str]):
    """The kinds of work that a store has woken workers for: give it to `on_work`."""

    def __call__(self, kind: str) -> None:
        self.append(kind)


def _with(plain: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {**plain, **fields}


def fingerprint(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def device(id: str = "D1", **fields: Any) -> Device:
    return Device(**_with({"id": id, "created_at": NOW, "serial_number": f"SERIAL-{id}"}, fields))


def connection(id: str = "C1", device_id: str = "D1", phase: Phase = Phase.CONNECTED, **fields: Any) -> Connection:
    """One that is open for ordinary traffic if it is connected."""
    plain: dict[str, Any] = {
        "id": id,
        "device_id": device_id,
        "phase": phase,
        "origin": Origin.ENROLLED,
        "topic": TOPIC,
        "created_at": NOW,
        "open": phase in (Phase.CONNECTED, Phase.ENDING),
    }
    return Connection(**_with(plain, fields))


def channel(connection_id: str = "C1", user_id: str = "", **fields: Any) -> Channel:
    plain: dict[str, Any] = {
        "connection_id": connection_id,
        "user_id": user_id,
        "kind": "user" if user_id else "device",
        "topic": TOPIC,
        "token": TOKEN,
        "magic": MAGIC,
        "token_updated_at": NOW,
    }
    return Channel(**_with(plain, fields))


def certificate(name: str = "cert 1", connection_id: str = "C1", **fields: Any) -> Certificate:
    """Bound to device D1, and good for a year."""
    plain: dict[str, Any] = {
        "fingerprint": fingerprint(name),
        "authority": "",
        "purpose": Purpose.ENROLL,
        "status": CertificateStatus.BOUND,
        "connection_id": connection_id,
        "device_id": "D1",
        "issued_at": NOW,
        "not_after": NOW + 365 * DAY,
        "der": name.encode(),
    }
    return Certificate(**_with(plain, fields))


def grant(id: str = "G1", connection_id: str = "C1", **fields: Any) -> Grant:
    plain: dict[str, Any] = {
        "id": id,
        "purpose": Purpose.ENROLL,
        "connection_id": connection_id,
        "created_at": NOW,
        "expires_at": NOW + DAY,
    }
    return Grant(**_with(plain, fields))


def link(id: str = "L1", **fields: Any) -> Link:
    return Link(**_with({"id": id, "created_at": NOW, "expires_at": NOW + DAY}, fields))


def event(type: str = "test.happened", **fields: Any) -> Event:
    return Event(**_with({"type": type, "at": NOW, "device_id": "D1", "connection_id": "C1"}, fields))


def work(key: str = "C1", due_at: Instant = NOW, kind: str = "push") -> Work:
    return Work(kind=kind, key=key, due_at=due_at)


def command(uuid: str = "U1", **fields: Any) -> QueuedCommand:
    plain: dict[str, Any] = {
        "uuid": uuid,
        "request_type": "DeviceInformation",
        "body": f"<plist>{uuid}</plist>".encode(),
        "created_at": NOW,
        "created_by": "a test",
    }
    return QueuedCommand(**_with(plain, fields))


def enqueue(uuid: str = "U1", channel_id: str = "C1", **fields: Any) -> Enqueue:
    plain: dict[str, Any] = {
        "channel_id": channel_id,
        "command_uuid": uuid,
        "request_type": "RemoveProfile",
        "body": f"<plist>{uuid}</plist>".encode(),
        "consequence": Consequence.REMOVE_PROFILE,
    }
    return Enqueue(**_with(plain, fields))


def result(uuid: str = "U1", status: Status = Status.ACKNOWLEDGED, **fields: Any) -> Result:
    plain: dict[str, Any] = {"channel_id": "C1", "command_uuid": uuid, "status": status}
    return Result(**_with({**plain, "body": f"result of {uuid}".encode(), "received_at": NOW}, fields))


def contact(name: str = "cert 1", device_id: str = "D1", **fields: Any) -> Contact:
    return Contact(**_with({"fingerprint": fingerprint(name), "device_id": device_id}, fields))


def idle(who: Contact | None = None, now: Instant = NOW) -> Ask:
    return Ask(contact=who or contact(), status=Status.IDLE, now=now)


def report(uuid: str = "U1", status: Status = Status.ACKNOWLEDGED, *, now: Instant = NOW, **fields: Any) -> Ask:
    """A report of device D1 on its own channel, unless `contact` says otherwise."""
    who = fields.pop("contact", None) or contact(command_uuid=uuid)
    plain: dict[str, Any] = {"body": f"result of {uuid}".encode(), "push_again_at": now + 600_000}
    return Ask(contact=who, status=status, now=now, **_with(plain, fields))


def push_certificate(topic: str = TOPIC, **fields: Any) -> StoredPushCertificate:
    plain: dict[str, Any] = {
        "topic": topic,
        "certificate_pem": b"certificate of " + topic.encode(),
        "key_pem": b"PRIVATE KEY of " + topic.encode(),
        "apple_account": "owner@example.org",
        "not_after": NOW + 365 * DAY,
        "imported_at": NOW,
    }
    return StoredPushCertificate(**_with(plain, fields))


def credential(id: str = "K1", **fields: Any) -> Credential:
    plain: dict[str, Any] = {"id": id, "name": f"name of {id}", "digest": fingerprint(id), "created_at": NOW}
    return Credential(**_with(plain, fields))


def user(id: str = "P1", **fields: Any) -> User:
    plain: dict[str, Any] = {"id": id, "name": f"name of {id}", "role": "viewer", "created_at": NOW}
    return User(**_with(plain, fields))


def role(name: str = "R1", **fields: Any) -> Role:
    plain: dict[str, Any] = {"name": name, "permissions": ("devices:read", "links:read"), "created_at": NOW}
    return Role(**_with(plain, fields))


def enrolled(number: int = 1, **fields: Any) -> Change:
    """Device D<n>, connected as C<n> under certificate `cert <n>`, with its device channel."""
    return Change(
        device_id=f"D{number}",
        device=device(f"D{number}"),
        connections=(connection(f"C{number}", f"D{number}"),),
        channels=(channel(f"C{number}"),),
        certificates=(certificate(f"cert {number}", f"C{number}", device_id=f"D{number}"),),
        at=NOW,
        **fields,
    )


def ade_server(name: str = "first", **fields: Any) -> AdeServer:
    plain = {"name": name, "created_at": NOW, "certificate_pem": b"PEM", "key_pem": b"ADE-KEY", "token": b"ADE-TOKEN"}
    return AdeServer(**_with(plain, fields))


def ade_state(server: str = "first", **fields: Any) -> SyncState:
    return SyncState(**_with({"server": server, "cursor": "cursor 1", "terms_open": True}, fields))


def ade_device(serial: str = "S1", server: str = "first", **fields: Any) -> AdeDevice:
    plain = {"server": server, "serial_number": serial, "seen_at": NOW, "model": "iPad", "device_family": "iPad"}
    return AdeDevice(**_with(plain, fields))


def assignment(serial: str = "S1", server: str = "first", **fields: Any) -> Assignment:
    plain = {
        "server": server,
        "serial_number": serial,
        "profile": "standard",
        "assigned_by": "rule 1",
        "by_person": False,
        "assigned_at": NOW,
    }
    return Assignment(**_with(plain, fields))


def ade_profile(name: str = "standard", server: str = "first", **fields: Any) -> AdeProfile:
    plain = {"server": server, "name": name, "uuid": "P1", "document": "{}", "defined_at": NOW, "defined_by": "ops"}
    return AdeProfile(**_with(plain, fields))


def ade_rule(position: int = 1, server: str = "first", **fields: Any) -> AdeRule:
    plain = {
        "server": server,
        "position": position,
        "field": RuleField.MODEL,
        "pattern": "iPad*",
        "profile": "standard",
    }
    return AdeRule(**_with(plain, fields))
