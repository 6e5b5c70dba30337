"""Values to arrange a Snapshot of: everything has a plain default, and a test names what it is about."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from corral.apple.checkin import Authenticate, CheckOut, TokenUpdate
from corral.apple.identifiers import Kind, Speaker
from corral.apple.platform import Platform
from corral.apple.report import Report, Status
from corral.lifecycle.change import Change, Event
from corral.lifecycle.evidence import Identity, Moment
from corral.lifecycle.message import Reported
from corral.lifecycle.settle import settle
from corral.lifecycle.state import (
    DAY,
    HOUR,
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Consequence,
    Delivery,
    DeliveryState,
    Device,
    EndReason,
    EndRequest,
    Grant,
    Link,
    Origin,
    Phase,
    Purpose,
    Renewal,
    Snapshot,
)

NOW = 1_800_000_000_000
TOPIC = "com.apple.mgmt.test"
UDID = "UDID-1"
FINGERPRINT = b"fingerprint"

SPEAKER = Speaker(UDID, "", Kind.DEVICE)
STRANGER = Speaker("UDID-2", "", Kind.DEVICE)
ANN = Speaker(UDID, "ANN", Kind.USER, "ann", "Ann Example")

IDLE = Reported(Report(SPEAKER, Status.IDLE), b"idle")


def moment(now: int = NOW) -> Moment:
    numbers = itertools.count(1)
    return Moment(now=now, fresh_id=lambda: f"new-{next(numbers)}")


def identity(**fields: Any) -> Identity:
    plain: dict[str, Any] = {"fingerprint": FINGERPRINT, "connection_id": "life", "not_after": NOW + 300 * DAY}
    return Identity(**{**plain, **fields})


def device(**fields: Any) -> Device:
    plain: dict[str, Any] = {
        "id": UDID,
        "version": 7,
        "created_at": NOW - 9 * DAY,
        "serial_number": "SERIAL",
        "platform": Platform.IOS,
        "os_version": "16.0",
    }
    return Device(**{**plain, **fields})


def life(id: str = "life", phase: Phase = Phase.CONNECTED, **fields: Any) -> Connection:
    """Settled; with `connected_at` unless it is authenticating, and a reason if it has ended."""
    plain: dict[str, Any] = {
        "id": id,
        "device_id": UDID,
        "phase": phase,
        "origin": Origin.ENROLLED,
        "topic": TOPIC,
        "created_at": NOW - DAY,
        "admitted_by": "grant:grant",
        "profile": b"facts",
        "connected_at": None if phase is Phase.AUTHENTICATING else NOW - DAY,
    }
    if phase is Phase.ENDED:
        plain |= {"ended_at": NOW - HOUR, "end_reason": EndReason.CHECKED_OUT, "proof": "CheckOut"}
    if phase is Phase.ENDING:
        plain |= {"end_request": end_request()}
    return settle(Connection(**{**plain, **fields}), device())


def end_request(deadline: int = NOW + HOUR) -> EndRequest:
    return EndRequest(by="admin", at=NOW - HOUR, deadline=deadline)


def certificate(**fields: Any) -> Certificate:
    """Of the plain life, bound, under the plain grant."""
    plain: dict[str, Any] = {
        "fingerprint": FINGERPRINT,
        "authority": "",
        "purpose": Purpose.ENROLL,
        "status": CertificateStatus.BOUND,
        "connection_id": "life",
        "device_id": UDID,
        "grant_id": "grant",
        "issued_at": NOW - DAY,
        "not_after": NOW + 300 * DAY,
        "heard_at": NOW - DAY,
    }
    return Certificate(**{**plain, **fields})


def issued(**fields: Any) -> Certificate:
    """A certificate that no device has come with yet."""
    return certificate(**{"status": CertificateStatus.ISSUED, "device_id": None, "heard_at": None, **fields})


def grant(**fields: Any) -> Grant:
    plain: dict[str, Any] = {
        "id": "grant",
        "version": 3,
        "purpose": Purpose.ENROLL,
        "connection_id": "life",
        "link_id": "link",
        "created_at": NOW - DAY,
        "expires_at": NOW + DAY,
        "keys_issued": 1,
        "profile": b"facts",
    }
    return Grant(**{**plain, **fields})


def renew_grant(**fields: Any) -> Grant:
    return grant(**{"id": "renewal", "purpose": Purpose.RENEW, "link_id": None, "device_id": UDID, **fields})


def renewed(**fields: Any) -> Certificate:
    """The certificate of a renewal, bound at its issuance and not heard yet."""
    return certificate(
        **{"fingerprint": b"renewed", "purpose": Purpose.RENEW, "grant_id": "renewal", "heard_at": None, **fields}
    )


def renewal(**fields: Any) -> Renewal:
    plain: dict[str, Any] = {"grant_id": "renewal", "asked_at": NOW - HOUR}
    return Renewal(**{**plain, **fields})


def link(**fields: Any) -> Link:
    plain: dict[str, Any] = {"id": "link", "created_at": NOW - DAY, "expires_at": NOW + DAY}
    return Link(**{**plain, **fields})


def channel(**fields: Any) -> Channel:
    plain: dict[str, Any] = {
        "connection_id": "life",
        "topic": TOPIC,
        "token": b"token",
        "magic": "magic",
        "token_updated_at": NOW - DAY,
    }
    return Channel(**{**plain, **fields})


def delivery(consequence: Consequence, **fields: Any) -> Delivery:
    plain: dict[str, Any] = {
        "channel_id": "life",
        "command_uuid": "command",
        "request_type": "Some",
        "state": DeliveryState.OPEN,
        "sequence": 1,
    }
    return Delivery(consequence=consequence, **{**plain, **fields})


def seen(speaking: Connection | None = None, **fields: Any) -> Snapshot:
    """What is known of a device that speaks with the certificate of this life, by default its connected one."""
    bound = speaking or life()
    plain: dict[str, Any] = {
        "device": device(),
        "lives": (bound,),
        "certificate": certificate(connection_id=bound.id),
        "bound": bound,
        "grant": grant(spent_at=NOW - DAY, connection_id=bound.id),
        "link": link(used=1),
        "channel": channel(connection_id=bound.id),
        "topics": frozenset({TOPIC}),
    }
    return Snapshot(**{**plain, **fields})


def invited(**fields: Any) -> Snapshot:
    """What is known at the first Authenticate under a grant: a certificate, and perhaps a device."""
    plain: dict[str, Any] = {
        "certificate": issued(),
        "grant": grant(),
        "link": link(),
        "topics": frozenset({TOPIC}),
    }
    return Snapshot(**{**plain, **fields})


def authenticate(speaker: Speaker = SPEAKER, **fields: Any) -> Authenticate:
    plain: dict[str, Any] = {"topic": TOPIC, "serial_number": "SERIAL", "product_name": "iPhone14,2"}
    return Authenticate(speaker, **{**plain, **fields})


def token_update(speaker: Speaker = SPEAKER, **fields: Any) -> TokenUpdate:
    plain: dict[str, Any] = {"topic": TOPIC, "push_magic": "magic", "token": b"token"}
    return TokenUpdate(speaker, **{**plain, **fields})


def check_out(speaker: Speaker = SPEAKER) -> CheckOut:
    return CheckOut(speaker)


def reported(status: Status, speaker: Speaker = SPEAKER, uuid: str = "command") -> Reported:
    return Reported(Report(speaker, status, uuid), b"body of a report")


def kinds(change: Change) -> list[str]:
    return [event.type for event in change.events]


def event(change: Change, kind: str) -> Event:
    (found,) = (each for each in change.events if each.type == kind)
    return found


def row(change: Change, id: str = "life") -> Connection:
    """The one connection of this id that the change puts."""
    (found,) = (each for each in change.connections if each.id == id)
    return found


def quietly(change: Change) -> Change:
    """The change without its events."""
    return replace(change, events=())


def kinds_of(events: Iterable[Event]) -> list[str]:
    return [each.type for each in events]
