"""The facts of every command, payload and enrollment error in Apple's schema, and the check of a command against
them. Entries of version 27.0 are taken from Apple's beta."""

from corral.apple.catalog.checking import Finding, Target, check
from corral.apple.catalog.spec import (
    Availability,
    CommandSpec,
    EnrollmentErrorSpec,
    KeySpec,
    PayloadSpec,
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
    "check",
    "enrollment_errors",
    "payload_spec",
    "platform_of",
    "spec",
    "specs",
]
