"""Rows of kept profiles to values."""

from dataclasses import replace

from corral.lifecycle.change import Event
from corral.lifecycle.state import DeliveryState
from corral.store.profiles import ProfileVersion, StoredProfile, WantedProfile
from corral.store.rows import Row

PROFILE = "id identifier name created_at"
VERSION = "version payload_uuid digest size created_at created_by note"


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
