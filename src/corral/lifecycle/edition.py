"""Which events tell that something was changed that people look at and then edit, and in which room it is kept.

Of each room the store counts the editions: whoever edits what they have read says which edition that was, and a commit
that would edit a later one is none.
"""

EDITING = frozenset(
    {
        "policy.changed",
        "inventory.schedule-changed",
        "webhook.changed",
        "webhook.rotated",
        "webhook.removed",
        "webhook.disabled",
        "webhook.enabled",
        "role.created",
        "role.changed",
        "role.removed",
        "user.role-set",
        "user.password-set",
        "user.disabled",
        "user.enabled",
        "profile.added",
        "profile.removed",
        "app.removed",
        "ade.server-removed",
        "ade.token-imported",
        "ade.default-set",
        "ade.discovery-registered",
        "ade.profile-defined",
        "ade.profile-removed",
        "ade.rules-set",
    }
)


def room_of(event_type: str) -> str | None:
    """The room that an event of this type changes something in."""
    return event_type.partition(".")[0] if event_type in EDITING else None
