"""Values of Automated Device Enrollment to rows and back. A server's key and token are sealed, each for its place."""

from dataclasses import replace

from corral.sealing import Sealer
from corral.store.ade import AdeDevice, AdeProfile, AdeRule, AdeServer, Assignment, Listed, RuleField, SyncState
from corral.store.rows import Row

SERVER = (
    "name created_at certificate_pem key_pem token token_expires_at server_uuid server_name org_id org_name admin_id"
    " default_profile"
)
STATE = "server cursor cursor_at fetched_at synced_at tried_at failures problem terms_open warned_days"
DEVICE = (
    "server serial_number seen_at model description color asset_tag device_family os profile_status profile_uuid"
    " profile_assign_time profile_push_time device_assigned_date op_date document deleted_at"
)
ASSIGNMENT = "server serial_number profile assigned_by by_person assigned_at due_at attempts outcome"
PROFILE = "server name uuid document defined_at defined_by"
RULE = "server position field pattern profile"

_SERVER, _STATE, _DEVICE = SERVER.split(), STATE.split(), DEVICE.split()
_ASSIGNMENT, _PROFILE = ASSIGNMENT.split(), PROFILE.split()


def server(row: Row, sealer: Sealer) -> AdeServer:
    """Raises SealError."""
    bare = AdeServer(**dict(zip(_SERVER, row, strict=True)))
    return replace(
        bare,
        key_pem=sealer.open(bare.key_pem, _place("key_pem", bare.name)),
        token=None if bare.token is None else sealer.open(bare.token, _place("token", bare.name)),
    )


def server_row(value: AdeServer, sealer: Sealer) -> Row:
    sealed = replace(
        value,
        key_pem=sealer.seal(value.key_pem, _place("key_pem", value.name)),
        token=None if value.token is None else sealer.seal(value.token, _place("token", value.name)),
    )
    return tuple(getattr(sealed, name) for name in _SERVER)


def state(row: Row) -> SyncState:
    values = dict(zip(_STATE, row, strict=True))
    values["terms_open"] = bool(values["terms_open"])
    return SyncState(**values)


def state_row(value: SyncState) -> Row:
    return tuple(getattr(value, name) for name in _STATE)


def device(row: Row) -> AdeDevice:
    return AdeDevice(**dict(zip(_DEVICE, row, strict=True)))


def device_row(value: AdeDevice) -> Row:
    return tuple(getattr(value, name) for name in _DEVICE)


def assignment(row: Row) -> Assignment:
    values = dict(zip(_ASSIGNMENT, row, strict=True))
    values["by_person"] = bool(values["by_person"])
    return Assignment(**values)


def assignment_row(value: Assignment) -> Row:
    return tuple(getattr(value, name) for name in _ASSIGNMENT)


def listed(row: Row) -> Listed:
    """Of a device's columns and, from a left join, those of its assignment."""
    own, other = row[: len(_DEVICE)], row[len(_DEVICE) :]
    return Listed(device(own), None if other[0] is None else assignment(other))


def profile(row: Row) -> AdeProfile:
    return AdeProfile(**dict(zip(_PROFILE, row, strict=True)))


def profile_row(value: AdeProfile) -> Row:
    return tuple(getattr(value, name) for name in _PROFILE)


def rule(row: Row) -> AdeRule:
    server_, position, field, pattern, profile_ = row
    return AdeRule(server=server_, position=position, field=RuleField(field), pattern=pattern, profile=profile_)


def rule_row(value: AdeRule) -> Row:
    return value.server, value.position, value.field.value, value.pattern, value.profile


def _place(column: str, name: str) -> str:
    return f"ade_server/{column}/{name}"
