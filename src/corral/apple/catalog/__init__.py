"""The facts of every command, payload and enrollment error in Apple's schema, and the check of a command against
them. Entries of version 27.0 are taken from Apple's beta."""

from corral.apple.catalog.checking import check
from corral.apple.catalog.fitting import fit
from corral.apple.catalog.having import queries, told
from corral.apple.catalog.json_schema import json_schema
from corral.apple.catalog.keys import check_placement
from corral.apple.catalog.linting import lint
from corral.apple.catalog.placing import Finding, Target
from corral.apple.catalog.secrets import answers_with_secrets, is_secret
from corral.apple.catalog.spec import (
    Availability,
    CommandSpec,
    EnrollmentErrorSpec,
    KeySpec,
    PayloadSpec,
    answer_keys,
    enrollment_errors,
    payload_spec,
    spec,
    specs,
)
from corral.apple.platform import Platform, platform_of

__all__ = [
    "Availability",
    "CommandSpec",
    "EnrollmentErrorSpec",
    "Finding",
    "KeySpec",
    "PayloadSpec",
    "Platform",
    "Target",
    "answer_keys",
    "answers_with_secrets",
    "check",
    "check_placement",
    "enrollment_errors",
    "fit",
    "is_secret",
    "json_schema",
    "lint",
    "payload_spec",
    "platform_of",
    "queries",
    "spec",
    "specs",
    "told",
]
