"""Tokens, users and roles as rows."""

from corral.store.access import Credential, Held, Role, User
from corral.store.rows import Row

CREDENTIAL = "id name digest created_at expires_at revoked_at created_by role permissions user_id"
USER = "id name role password subject created_at created_by disabled_at"
ROLE = "name permissions created_at created_by"

_CREDENTIAL, _USER = len(CREDENTIAL.split()), len(USER.split())


def credential(row: Row) -> Credential:
    id_, name, digest, created_at, expires_at, revoked_at, created_by, role_name, permissions, user_id = row
    return Credential(
        id=id_,
        name=name,
        digest=digest,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
        created_by=created_by,
        role=role_name,
        permissions=tuple(permissions.split()),
        user_id=user_id,
    )


def credential_row(value: Credential) -> Row:
    return (
        value.id,
        value.name,
        value.digest,
        value.created_at,
        value.expires_at,
        value.revoked_at,
        value.created_by,
        value.role,
        " ".join(value.permissions),
        value.user_id,
    )


def user(row: Row) -> User:
    id_, name, role_name, password, subject, created_at, created_by, disabled_at = row
    return User(
        id=id_,
        name=name,
        role=role_name,
        password=password,
        subject=subject,
        created_at=created_at,
        created_by=created_by,
        disabled_at=disabled_at,
    )


def user_row(value: User) -> Row:
    return (
        value.id,
        value.name,
        value.role,
        value.password,
        value.subject,
        value.created_at,
        value.created_by,
        value.disabled_at,
    )


def role(row: Row) -> Role:
    name, permissions, created_at, created_by = row
    return Role(name=name, permissions=tuple(permissions.split()), created_at=created_at, created_by=created_by)


def role_row(value: Role) -> Row:
    return value.name, " ".join(value.permissions), value.created_at, value.created_by


def held(row: Row) -> Held:
    """Of the columns of a credential, its user and the role of either."""
    rest = row[_CREDENTIAL:]
    person, its_role = rest[:_USER], rest[_USER:]
    return Held(
        credential(row[:_CREDENTIAL]),
        user(person) if person[0] is not None else None,
        role(its_role) if its_role[0] is not None else None,
    )
