"""The admission policy as people write it and as it is stored: JSON (or TOML, which says the same).

A key that is not known is refused, never ignored: a rule that does not say what was meant lets the wrong ones in.
"""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from corral.apple.platform import Platform
from corral.lifecycle.admission import (
    AdmissionPolicy,
    Admit,
    Decline,
    RequirePairing,
    RequirePlatformSSO,
    RequireUpdate,
    Rule,
)
from corral.lifecycle.applicant import Standing
from corral.lifecycle.conditions import Attested, Conditions
from corral.lifecycle.state import EnrollmentKind, IdentityKind
from corral.pki.attestation import SecureBoot

MOST_RULES = 1000
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Meta(max_length=10_000)]
Url: TypeAlias = Annotated[str, Meta(pattern="^https://", max_length=2000)]


class WhenAttested(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """See `lifecycle.admission.Attested`."""

    present: bool = True
    secure_boot: tuple[SecureBoot, ...] = ()
    sip: bool | None = None
    os_below: Text | None = None
    os_from: Text | None = None


class When(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """See `lifecycle.admission.Conditions`. `assigned` null asks for neither."""

    kind: tuple[EnrollmentKind, ...] = ()
    serial_number: Texts = ()
    product: Texts = ()
    family: Texts = ()
    platform: tuple[Platform, ...] = ()
    os_below: Text | None = None
    os_from: Text | None = None
    account: Texts = ()
    standing: tuple[Standing, ...] = ()
    assigned: bool | None = True
    attested: WhenAttested | None = None


class _Outcome(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="do"):
    pass


class AdmitDocument(_Outcome, tag="admit"):
    identity: IdentityKind | None = None


class UpdateDocument(_Outcome, tag="require-update"):
    minimum: Text
    build: Text | None = None
    beta_description: Text | None = None
    beta_token: Text | None = None
    message: Text | None = None


class PlatformSSODocument(_Outcome, tag="require-platform-sso"):
    profile_url: Url
    auth_url: Url
    manifest_url: Url
    pinning_certificates: tuple[bytes, ...] = ()
    message: Text | None = None


class PairingDocument(_Outcome, tag="require-pairing"):
    message: Text | None = None


class DeclineDocument(_Outcome, tag="decline"):
    unrecognized: bool = False
    message: Text | None = None


Then: TypeAlias = AdmitDocument | UpdateDocument | PlatformSSODocument | PairingDocument | DeclineDocument

_OUTCOMES: dict[type[_Outcome], type[Any]] = {
    AdmitDocument: Admit,
    UpdateDocument: RequireUpdate,
    PlatformSSODocument: RequirePlatformSSO,
    PairingDocument: RequirePairing,
    DeclineDocument: Decline,
}


class RuleDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Text
    when: When = msgspec.field(default_factory=When)
    then: Then


class PolicyDocument(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rules in their order; the first that fits decides."""

    rules: Annotated[tuple[RuleDocument, ...], Meta(max_length=MOST_RULES)] = ()


def compile_policy(document: PolicyDocument) -> AdmissionPolicy:
    """The rules to decide by. Raises ValueError, which names the rule, for a version that is none or a name twice."""
    rules: list[Rule] = []
    for each in document.rules:
        if any(each.name == rule.name for rule in rules):
            raise ValueError(f"Two rules are called {each.name!r}; give each a name of its own.")
        try:
            when = _conditions(each.when)
            rules.append(Rule(name=each.name, when=when, then=_OUTCOMES[type(each.then)](**_fields(each.then))))
        except ValueError as error:
            raise ValueError(f"Rule {each.name!r}: {error}.") from None
    return AdmissionPolicy(rules=tuple(rules))


def _conditions(when: When) -> Conditions:
    given = msgspec.structs.asdict(when)
    if when.attested is not None:
        given["attested"] = Attested(**msgspec.structs.asdict(when.attested))
    return Conditions(**given)


def _fields(outcome: _Outcome) -> dict[str, Any]:
    return msgspec.structs.asdict(outcome)
