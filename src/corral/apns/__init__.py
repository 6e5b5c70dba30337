"""The client of Apple's push service (APNs, HTTP/2). Values in, values out: no database and no policy."""

from corral.apns.client import PRODUCTION, PushCertificateError, PushClient
from corral.apns.connection import Timeouts
from corral.apns.push import (
    Accepted,
    Broken,
    CertificateRefused,
    Misconfigured,
    Outcome,
    Push,
    RetryLater,
    Unregistered,
    classify,
)

__all__ = [
    "PRODUCTION",
    "Accepted",
    "Broken",
    "CertificateRefused",
    "Misconfigured",
    "Outcome",
    "Push",
    "PushCertificateError",
    "PushClient",
    "RetryLater",
    "Timeouts",
    "Unregistered",
    "classify",
]
