"""What there is to be allowed, as data. An address of the API names one of these, or it cannot be made."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final, TypeAlias


class Permission(StrEnum):
    """`subject:verb`. One that is in no role below is the administrators' alone."""

    STATUS_READ = "status:read"
    EVENTS_READ = "events:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    BREAKER_CLOSE = "breaker:close"
    AUTHORITIES_WRITE = "authorities:write"
    LINKS_READ = "links:read"
    LINKS_WRITE = "links:write"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    POLICY_READ = "policy:read"
    POLICY_WRITE = "policy:write"
    DEVICES_READ = "devices:read"
    DEVICES_END = "devices:end"
    DEVICES_END_MANY = "devices:end-many"
    DEVICES_BLOCK = "devices:block"
    DEVICES_RENEW = "devices:renew"
    DEVICES_REVOKE = "devices:revoke"
    DEVICES_FORGET = "devices:forget"
    DEVICES_ERASE = "devices:erase"
    DEVICES_LOCK = "devices:lock"
    DEVICES_UNLOCK = "devices:unlock"
    INVENTORY_READ = "inventory:read"
    INVENTORY_REFRESH = "inventory:refresh"
    INVENTORY_SCHEDULE = "inventory:schedule"
    COMMANDS_READ = "commands:read"
    COMMANDS_RAW = "commands:raw"
    COMMANDS_REVEAL = "commands:reveal"
    COMMANDS_SEND = "commands:send"
    COMMANDS_CANCEL = "commands:cancel"
    PROFILES_READ = "profiles:read"
    PROFILES_REVEAL = "profiles:reveal"
    PROFILES_WRITE = "profiles:write"
    PROFILES_INSTALL = "profiles:install"
    APPS_READ = "apps:read"
    APPS_WRITE = "apps:write"
    APPS_INSTALL = "apps:install"
    ESCROW_READ = "escrow:read"
    ESCROW_SHOW = "escrow:show"
    ESCROW_ROTATE = "escrow:rotate"
    PUSH_CERTIFICATES_READ = "push-certificates:read"
    PUSH_CERTIFICATES_WRITE = "push-certificates:write"
    ADE_READ = "ade:read"
    ADE_WRITE = "ade:write"
    ADE_ASSIGN = "ade:assign"
    ADE_DISOWN = "ade:disown"
    AUDIT_READ = "audit:read"
    ACCESS_READ = "access:read"
    ACCESS_WRITE = "access:write"


class Freely(Enum):
    """Instead of a permission, for what needs none."""

    ANYBODY = "nobody has to say who they are"
    SIGNED_IN = "whoever has said who they are"


Need: TypeAlias = Permission | Freely

_READING = frozenset(
    {
        Permission.STATUS_READ,
        Permission.EVENTS_READ,
        Permission.LINKS_READ,
        Permission.ACCOUNTS_READ,
        Permission.POLICY_READ,
        Permission.DEVICES_READ,
        Permission.INVENTORY_READ,
        Permission.COMMANDS_READ,
        Permission.PROFILES_READ,
        Permission.APPS_READ,
        Permission.ESCROW_READ,
        Permission.PUSH_CERTIFICATES_READ,
        Permission.ADE_READ,
    }
)
_OPERATING = frozenset(
    {
        Permission.LINKS_WRITE,
        Permission.ACCOUNTS_WRITE,
        Permission.DEVICES_END,
        Permission.DEVICES_BLOCK,
        Permission.DEVICES_RENEW,
        Permission.INVENTORY_REFRESH,
        Permission.COMMANDS_RAW,
        Permission.COMMANDS_SEND,
        Permission.COMMANDS_CANCEL,
        Permission.PROFILES_WRITE,
        Permission.PROFILES_INSTALL,
        Permission.APPS_WRITE,
        Permission.APPS_INSTALL,
        Permission.ADE_ASSIGN,
        Permission.ESCROW_ROTATE,
    }
)

ADMINISTRATOR: Final = "administrator"
EVERYTHING: Final = frozenset(Permission)

BUILT_IN: Final[Mapping[str, frozenset[Permission]]] = {
    ADMINISTRATOR: EVERYTHING,
    "operator": _READING | _OPERATING,
    "viewer": _READING,
    "enrollment-only": frozenset({Permission.LINKS_READ, Permission.LINKS_WRITE}),
}
"""Roles that are always there. Only administrators have what is dangerous; a custom role gives others some of it."""

_COMMANDS: Final[Mapping[str, Permission]] = {
    "EraseDevice": Permission.DEVICES_ERASE,
    "DeleteUser": Permission.DEVICES_ERASE,
    "DeviceLock": Permission.DEVICES_LOCK,
    "EnableLostMode": Permission.DEVICES_LOCK,
    "SetFirmwarePassword": Permission.DEVICES_LOCK,
    "SetRecoveryLock": Permission.DEVICES_LOCK,
    "RotateFileVaultKey": Permission.ESCROW_ROTATE,
    "ClearPasscode": Permission.DEVICES_UNLOCK,
    "ClearRestrictionsPassword": Permission.DEVICES_UNLOCK,
    "DisableLostMode": Permission.DEVICES_UNLOCK,
}


DANGEROUS: Final = frozenset({Permission.DEVICES_ERASE, Permission.DEVICES_LOCK, Permission.DEVICES_UNLOCK})
"""What needs a second word where it is sent to many."""


def to_send(request_type: str) -> Permission:
    """What one needs to send a command of this type: for some a permission of its own."""
    return _COMMANDS.get(request_type, Permission.COMMANDS_SEND)
