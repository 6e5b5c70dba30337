"""The enrollment profile of Automated Device Enrollment: what Setup Assistant does, and where the device enrolls.

Not a configuration profile: a JSON document that Apple keeps, and gives to each device that it is assigned to.
Source: Apple, "Profile" (device assignment).
"""

import base64
import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from msgspec import Meta

from corral.dep.skip_keys import SKIP_KEYS, nearest
from corral.pki.cms.certificate import UNREADABLE

_CODE = re.compile(r"[a-z]{2,3}")
_REGION = re.compile(r"[A-Z]{2}")


class ProfileError(ValueError):
    """A profile cannot be defined as it is; one line says what to change."""


class EnrollmentProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All fields that Apple documents, under Apple's names; None leaves one out, and Apple's default counts.

    Certificates are base64 of DER. `url` may be left out here: the service knows its own.
    """

    profile_name: Annotated[str, Meta(min_length=1, max_length=125)]
    url: str | None = None
    configuration_web_url: str | None = None
    anchor_certs: tuple[str, ...] | None = None
    supervising_host_certs: tuple[str, ...] | None = None
    is_supervised: bool | None = None
    is_mandatory: bool | None = None
    is_mdm_removable: bool | None = None
    allow_pairing: bool | None = None
    await_device_configured: bool | None = None
    auto_advance_setup: bool | None = None
    is_multi_user: bool | None = None
    is_return_to_service: bool | None = None
    do_not_use_profile_from_backup: bool | None = None
    skip_setup_items: tuple[str, ...] | None = None
    org_magic: Annotated[str, Meta(max_length=256)] | None = None
    department: Annotated[str, Meta(max_length=125)] | None = None
    language: str | None = None
    region: str | None = None
    support_phone_number: Annotated[str, Meta(max_length=50)] | None = None
    support_email_address: Annotated[str, Meta(max_length=250)] | None = None

    def document(self) -> dict[str, object]:
        """What Apple is sent."""
        return msgspec.to_builtins(self)


def read_profile(document: object, *, any_skip_key: bool = False) -> EnrollmentProfile:
    """Check a document against what Apple documents. Raises ProfileError.

    `any_skip_key` takes panes that this program does not know, such as those of a newer system.
    """
    try:
        profile = msgspec.convert(document, EnrollmentProfile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"the profile is not as Apple documents it: {error}") from None
    _check_urls(profile)
    _check_fit(profile)
    certificates = {"anchor_certs": profile.anchor_certs, "supervising_host_certs": profile.supervising_host_certs}
    for name, listed in certificates.items():
        for number, given in enumerate(listed or (), 1):
            _check_certificate(f"certificate {number} of {name}", given)
    for key in profile.skip_setup_items or ():
        if key not in SKIP_KEYS and not any_skip_key:
            meant = nearest(key)
            raise ProfileError(f"no pane of Setup Assistant is called {key!r}{f'; {meant} is meant?' if meant else ''}")
    return profile


def _check_urls(profile: EnrollmentProfile) -> None:
    for name, given in (("url", profile.url), ("configuration_web_url", profile.configuration_web_url)):
        if given is not None and not _names_host(given):
            raise ProfileError(f"{name} must begin with https:// and name a host")


def _names_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def _check_fit(profile: EnrollmentProfile) -> None:
    if profile.is_mdm_removable is False and profile.is_supervised is not True:
        raise ProfileError("is_mdm_removable = false needs is_supervised = true")
    if profile.is_multi_user and profile.is_supervised is not True:
        raise ProfileError("is_multi_user (Shared iPad) needs is_supervised = true")
    if profile.auto_advance_setup and not (profile.language and profile.region):
        raise ProfileError("auto_advance_setup needs language and region, since nobody is asked for them")
    if profile.language is not None and not _CODE.fullmatch(profile.language):
        raise ProfileError("language must be a code of ISO 639, such as en")
    if profile.region is not None and not _REGION.fullmatch(profile.region):
        raise ProfileError("region must be a code of ISO 3166, such as US")


def _check_certificate(what: str, given: str) -> None:
    try:
        x509.load_der_x509_certificate(base64.b64decode(given, validate=True))
    except UNREADABLE:
        raise ProfileError(f"{what} is no certificate in base64 of DER") from None
