"""The certificate authorities of the installation, and how they are rolled over."""

from datetime import datetime
from typing import Annotated

from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import shown
from corral.lifecycle.state import DAY
from corral.service.authorities.rotating import LONGEST_MOVE, Standing


class AuthorityView(View):
    """The authority that issues identity certificates; `fingerprint` is SHA-256 in hex. `certificate` is PEM, followed
    by those of the older ones that are still believed: who trusts this service by them trusts it during a roll-over.
    """

    subject: str
    not_after: datetime
    fingerprint: str
    certificate: str


class AuthorityStanding(View):
    """`state` is issuing, coming (believed, and issuing within seconds), believed (another issues now) or retired.

    `identities`: devices that speak under a certificate of it; they are renewed over to the issuing one until
    `moved_by`. `only_root`: devices that know this service by no other authority. `profiles`: devices whose enrollment
    profile it signed, for which it goes on signing, retired or not.
    """

    id: str
    subject: str
    state: str
    not_after: datetime
    created_at: datetime | None
    issues_from: datetime | None
    moved_by: datetime | None
    retired_at: datetime | None
    identities: int
    only_root: int
    profiles: int


class AuthorityList(View):
    """Newest first."""

    authorities: tuple[AuthorityStanding, ...]


class NewAuthority(Body):
    """`over_days`: within so many days the devices of the present one are renewed over to it."""

    over_days: Annotated[int, Meta(ge=0, le=LONGEST_MOVE)] = 30


class Retirement(Body):
    """`force`: also while devices depend on it; they have to enroll again."""

    force: bool = False


async def show_authority(call: Call) -> AuthorityView:
    standing = await call.services.rotating.standing()
    believed = [each.held.authority for each in standing if each.held.retired_at is None]
    issuing = next(each.held.authority for each in standing if each.state == "issuing")
    others = [each for each in believed if each is not issuing]
    certificate = issuing.certificate
    return AuthorityView(
        subject=certificate.subject.rfc4514_string(),
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(SHA256()).hex(),
        certificate=b"".join(each.certificate_pem() for each in (issuing, *others)).decode(),
    )


async def list_authorities(call: Call) -> AuthorityList:
    return AuthorityList(authorities=tuple(map(_view, await call.services.rotating.standing())))


async def rotate_authority(call: Call, body: NewAuthority) -> AuthorityStanding:
    new = await call.services.rotating.rotate(body.over_days * DAY, call.by)
    return await _standing(call, new.id)


async def retire_authority(call: Call, authority: str, body: Retirement) -> AuthorityStanding:
    old = await call.services.rotating.retire(authority, force=body.force, by=call.by)
    return await _standing(call, old.id)


async def _standing(call: Call, authority_id: str) -> AuthorityStanding:
    (found,) = [each for each in await call.services.rotating.standing() if each.held.id == authority_id]
    return _view(found)


def _view(standing: Standing) -> AuthorityStanding:
    held = standing.held
    certificate = held.authority.certificate
    return AuthorityStanding(
        id=held.id,
        subject=certificate.subject.rfc4514_string(),
        state=standing.state,
        not_after=certificate.not_valid_after_utc,
        created_at=shown(held.created_at or None),
        issues_from=shown(held.issues_from or None),
        moved_by=shown(held.moved_by or None),
        retired_at=shown(held.retired_at),
        identities=standing.identities,
        only_root=standing.only_root,
        profiles=standing.profiles,
    )
