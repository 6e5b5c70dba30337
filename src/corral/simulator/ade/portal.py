"""Apple's portal as an organization sees it: device management servers, their tokens, and devices assigned to them."""

import base64
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509

from corral.pki.cms.enveloped import encrypt

CURSOR_LASTS = timedelta(days=7)


class Refused(Exception):
    """What a call gets instead of an answer."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(word)
        self.status = status
        self.word = word


@dataclass(frozen=True, slots=True)
class Secrets:
    consumer_key: str
    consumer_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    access_secret: str = field(repr=False)


@dataclass(slots=True)
class _Cursor:
    """Where a fetch goes on (`offset`, None at its end), and up to which change everything is told."""

    offset: int | None
    changes: int
    made_at: datetime


def _words() -> dict[str, list[str]]:
    return {}


@dataclass(slots=True)
class PortalServer:
    """One device management server of the organization."""

    name: str
    uuid: str
    secrets: Secrets
    expires_at: datetime
    devices: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    profiles: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    changes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    cursors: dict[str, _Cursor] = field(default_factory=dict[str, _Cursor])
    outcomes: dict[str, list[str]] = field(default_factory=_words)
    """Words that the next assignments of a device get instead of SUCCESS, by serial number."""
    disowned: set[str] = field(default_factory=set[str])
    locked: dict[str, str] = field(default_factory=dict[str, str])
    discovery: str = ""
    terms_signed: bool = True

    # -- what a person does in the portal

    def add_device(self, serial: str, *, now: datetime | None = None, **facts: Any) -> None:
        """Assign a device of the organization to this server; assigning it again is a change of it."""
        known = serial in self.devices
        plain: dict[str, Any] = {
            "serial_number": serial,
            "model": "iPhone 15",
            "description": "IPHONE 15 BLACK 128GB-USA",
            "color": "BLACK",
            "device_family": "iPhone",
            "os": "iOS",
            "profile_status": "empty",
            "device_assigned_by": "it@example.org",
            "device_assigned_date": _text(now or datetime.now(UTC)),
        }
        self.devices[serial] = plain | self.devices.get(serial, {}) | facts
        self._change(serial, "modified" if known else "added", now)

    def remove_device(self, serial: str, *, now: datetime | None = None) -> None:
        """Take a device away from this server."""
        self._change(serial, "deleted", now)
        del self.devices[serial]

    def new_token(self, certificate_pem: bytes, now: datetime, days: int = 365) -> bytes:
        """A token as the portal hands it out: S/MIME, enveloped to the certificate. The earlier one is void."""
        self.secrets = make_secrets(self.name)
        self.expires_at = now + timedelta(days=days)
        return envelope(self, certificate_pem)

    # -- what a device and its server do

    def configuration(self, serial: str) -> dict[str, Any] | None:
        """What a device gets from Apple in Setup Assistant: its profile, which is pushed from then on."""
        found = self.devices.get(serial)
        profile = self.profiles.get(str(found.get("profile_uuid", ""))) if found else None
        if found is None or profile is None or found["profile_status"] not in ("assigned", "pushed"):
            return None
        found |= {"profile_status": "pushed", "profile_push_time": _text(datetime.now(UTC))}
        self._change(serial, "modified", None)
        return profile

    def fetch(self, cursor: str | None, limit: int, now: datetime) -> dict[str, Any]:
        at = 0
        told = len(self.changes)
        if cursor is not None:
            known = self._cursor(cursor, now)
            if known.offset is None:
                raise Refused(400, "EXHAUSTED_CURSOR")
            at, told = known.offset, known.changes
        serials = sorted(self.devices)
        page = [self.devices[serial] for serial in serials[at : at + limit]]
        more = at + limit < len(serials)
        return self._page(page, _Cursor(at + limit if more else None, told, now), more, now)

    def sync(self, cursor: str | None, limit: int, now: datetime) -> dict[str, Any]:
        if cursor is None:
            raise Refused(400, "CURSOR_REQUIRED")
        known = self._cursor(cursor, now)
        if known.offset is not None:
            raise Refused(400, "INVALID_CURSOR")
        page = self.changes[known.changes : known.changes + limit]
        if not page:
            known.made_at = now
            return {"devices": [], "cursor": cursor, "more_to_follow": False, "fetched_until": _text(now)}
        told = known.changes + len(page)
        return self._page(page, _Cursor(None, told, now), told < len(self.changes), now)

    def details(self, serials: Sequence[str]) -> dict[str, Any]:
        if not serials:
            raise Refused(400, "DEVICE_ID_REQUIRED")
        unknown = {"response_status": "NOT_FOUND"}
        return {
            "devices": {
                serial: ({"response_status": "SUCCESS"} | self.devices[serial]) if serial in self.devices else unknown
                for serial in serials
            }
        }

    def define(self, document: Mapping[str, Any]) -> dict[str, Any]:
        profile = dict(document)
        serials: list[str] = profile.pop("devices", [])
        made = uuid.uuid4().hex.upper()
        self.profiles[made] = profile
        return {"profile_uuid": made, "devices": self.assign(made, serials)["devices"] if serials else {}}

    def profile(self, profile_uuid: str) -> dict[str, Any]:
        if profile_uuid not in self.profiles:
            raise Refused(404, "PROFILE_NOT_FOUND")
        return {"profile_uuid": profile_uuid, **self.profiles[profile_uuid]}

    def assign(self, profile_uuid: str, serials: Sequence[str]) -> dict[str, Any]:
        if profile_uuid not in self.profiles:
            raise Refused(404, "NOT_FOUND")
        facts = {"profile_status": "assigned", "profile_uuid": profile_uuid}
        return self._each(serials, facts, {"profile_uuid": profile_uuid})

    def unassign(self, serials: Sequence[str]) -> dict[str, Any]:
        return self._each(serials, {"profile_status": "removed", "profile_uuid": ""}, {})

    def disown(self, serials: Sequence[str]) -> dict[str, Any]:
        words: dict[str, str] = {}
        for serial in serials:
            words[serial] = "SUCCESS" if serial in self.devices else "NOT_ACCESSIBLE"
            if serial in self.devices:
                self.remove_device(serial)
                self.disowned.add(serial)
        return {"devices": words}

    def _each(self, serials: Sequence[str], facts: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if not serials:
            raise Refused(400, "DEVICE_ID_REQUIRED")
        words: dict[str, str] = {}
        for serial in serials:
            asked = self.outcomes.get(serial) or []
            word = asked.pop(0) if asked else "SUCCESS" if serial in self.devices else "NOT_ACCESSIBLE"
            words[serial] = word
            if word == "SUCCESS":
                self.devices[serial] |= facts | {"profile_assign_time": _text(datetime.now(UTC))}
                self._change(serial, "modified", None)
        if "THROTTLED" in words.values():
            answer = answer | {"retry_after_seconds": 1}
        return answer | {"devices": words}

    def _change(self, serial: str, kind: str, now: datetime | None) -> None:
        date = _text(now or datetime.now(UTC))
        self.changes.append({**self.devices[serial], "op_type": kind, "op_date": date})

    def _page(self, devices: list[dict[str, Any]], cursor: _Cursor, more: bool, now: datetime) -> dict[str, Any]:
        name = base64.urlsafe_b64encode(secrets.token_bytes(18)).decode()
        self.cursors[name] = cursor
        return {"devices": devices, "cursor": name, "more_to_follow": more, "fetched_until": _text(now)}

    def _cursor(self, name: str, now: datetime) -> _Cursor:
        known = self.cursors.get(name)
        if known is None:
            raise Refused(400, "INVALID_CURSOR")
        if now - known.made_at > CURSOR_LASTS:
            raise Refused(400, "EXPIRED_CURSOR")
        return known


def make_secrets(name: str) -> Secrets:
    key = f"CK_{secrets.token_hex(24)}"
    # Characters that have to be escaped in a signature's key, as Apple's never are: an easy mistake would show.
    return Secrets(
        key, f"CS_{secrets.token_hex(20)}/+", f"AT_{secrets.token_hex(24)}{len(name)}", f"AS_{secrets.token_hex(20)}="
    )


def envelope(server: PortalServer, certificate_pem: bytes) -> bytes:
    """The file that the portal's button downloads."""
    document = {
        "consumer_key": server.secrets.consumer_key,
        "consumer_secret": server.secrets.consumer_secret,
        "access_token": server.secrets.access_token,
        "access_secret": server.secrets.access_secret,
        "access_token_expiry": server.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    inner = (
        b"Content-Type: text/plain;charset=UTF-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n-----BEGIN MESSAGE-----\n"
        + msgspec.json.encode(document)
        + b"\n-----END MESSAGE-----\n"
    )
    sealed = encrypt(inner, x509.load_pem_x509_certificate(certificate_pem))
    head = (
        b'Content-Type: application/pkcs7-mime; name="smime.p7m"; smime-type=enveloped-data\r\n'
        b"Content-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="smime.p7m"\r\n'
        b"Content-Description: S/MIME Encrypted Message\r\n\r\n"
    )
    return head + base64.encodebytes(sealed)


def _text(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
