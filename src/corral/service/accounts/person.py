"""From what an identity provider says of a person to the Managed Apple Account, and to what it may enroll as. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from corral.lifecycle.state import EnrollmentKind

ANY_DOMAIN = "*"
_ACCOUNT = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")


class SignInRefused(Exception):
    """This sign-in lets nobody enroll; one line, for the person, says why."""


@dataclass(frozen=True, slots=True)
class Person:
    """`account` is the Managed Apple Account, in small letters; `subject` what the provider calls the person."""

    account: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """Which people may enroll. `claim` names the Managed Apple Account; no `groups` means any.

    Accounts enroll as user enrollments, all of them as devices with `as_devices`, else those that `device_for` names:
    accounts, `@domain`s or model families.
    """

    claim: str = "email"
    domains: tuple[str, ...] = ()
    groups_claim: str = "groups"
    groups: tuple[str, ...] = ()
    as_devices: bool = False
    device_for: tuple[str, ...] = ()

    def person(self, claims: Mapping[str, object]) -> Person:
        """Who signed in, by claims that were verified; raises SignInRefused."""
        account, subject = claims.get(self.claim), claims.get("sub")
        if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
            raise SignInRefused(f"Your account has no {self.claim} that is a Managed Apple Account.")
        if self.claim == "email" and claims.get("email_verified") is False:
            raise SignInRefused("The e-mail address of your account is not confirmed.")
        if not isinstance(subject, str) or not subject:
            raise SignInRefused("The identity provider does not say who you are.")
        account = account.lower()
        if not self.allows_domain(account):
            raise SignInRefused(f"Accounts of {account.rpartition('@')[2]} cannot be enrolled here.")
        if self.groups and not set(self.groups) & groups_of(claims.get(self.groups_claim)):
            raise SignInRefused("Your account is in none of the groups that may enroll devices.")
        return Person(account, subject)

    def allows_domain(self, account: str) -> bool:
        return ANY_DOMAIN in self.domains or account.lower().rpartition("@")[2] in self.domains

    def kind(self, account: str, family: str) -> EnrollmentKind:
        """As what this account enrolls a device of this model family."""
        account = account.lower()
        names = {account, f"@{account.rpartition('@')[2]}", family.lower()}
        whole = self.as_devices or any(each.lower() in names for each in self.device_for)
        return EnrollmentKind.ACCOUNT_DEVICE if whole else EnrollmentKind.ACCOUNT_USER


def groups_of(value: object) -> set[str]:
    """The groups of a claim: one, or several."""
    if isinstance(value, str):
        return {value}
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()  # pyright: ignore[reportUnknownVariableType] - of JSON
