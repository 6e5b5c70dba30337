"""Rows of kept profiles to values."""

from dataclasses import replace

from corral.lifecycle.change import Event
from corral.lifecycle.state import DeliveryState
from corral.store.profiles import ProfileVersion, StoredProfile, WantedProfile
from corral.store.rows import Row

PROFILE = "id identifier name created_at"
VERSION = "version payload_uuid digest size created_at created_by note"

SELECT_PROFILE = (
    "SELECT p.id, p.identifier, p.name, p.created_at,"
    " (SELECT coalesce(max(version), 0) FROM stored_profile_version WHERE profile_id = p.id) FROM stored_profile AS p"
)
SELECT_WANTED = (
    "SELECT w.channel_id, co.device_id, w.profile_id, p.identifier, w.version, v.payload_uuid, w.command_uuid, w.at,"
    " w.asked_by, d.state, d.finished_at FROM wanted_profile AS w"
    " JOIN stored_profile AS p ON p.id = w.profile_id"
    " JOIN channel AS ch ON ch.id = w.channel_id AND ch.ended_at IS NULL"
    " JOIN connection AS co ON co.id = ch.connection_id AND co.phase IN ('connected', 'ending')"
    " LEFT JOIN stored_profile_version AS v ON v.profile_id = w.profile_id AND v.version = w.version"
    " LEFT JOIN delivery AS d ON d.channel_id = w.channel_id AND d.command_uuid = w.command_uuid"
)


def profile(row: Row) -> StoredProfile:
    id_, identifier, name, created_at, latest = row
    return StoredProfile(id=id_, identifier=identifier, name=name, created_at=created_at, latest=latest)


def version(row: Row) -> ProfileVersion:
    number, *rest = row
    return ProfileVersion(number=number, **dict(zip(VERSION.split()[1:], rest, strict=True)))


def wanted(row: Row) -> WantedProfile:
    """Of channel, device, profile, identifier, number, PayloadUUID, command, time, who asked, state, and its end."""
    channel_id, device_id, profile_id, identifier, number, payload_uuid, command_uuid, at, by, state, finished_at = row
    return WantedProfile(
        channel_id=channel_id,
        device_id=device_id,
        profile_id=profile_id,
        identifier=identifier,
        number=number,
        payload_uuid=payload_uuid or "",
        command_uuid=command_uuid,
        at=at,
        by=by,
        delivery=None if state is None else DeliveryState(state),
        finished_at=finished_at,
    )


def told(event: Event, profile_id: str, number: int) -> Event:
    return replace(event, data={**event.data, "profile": profile_id, "version": number})


def place(profile_id: str, number: int) -> str:
    """Where a body is sealed for."""
    return f"stored_profile_version/body/{profile_id}/{number}"
