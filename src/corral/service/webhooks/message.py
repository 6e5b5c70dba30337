"""One event as one call: the body, and the headers that sign it.

By Standard Webhooks (standardwebhooks.com, specification 1.0): `webhook-id` is the same in every attempt,
`webhook-timestamp` is the attempt's, `webhook-signature` is HMAC-SHA256 over `id.timestamp.body`, once for each secret
that is good. Another format is another entry of FORMATS.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from corral import __version__
from corral.lifecycle.state import SECOND, Instant
from corral.service.events.document import document
from corral.store.events import StoredEvent
from corral.store.webhooks import SigningSecret, Webhook

PREFIX = "whsec_"
_KEY = 32


@dataclass(frozen=True, slots=True)
class Message:
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def message(webhook: Webhook, stored: StoredEvent, now: Instant) -> Message:
    return FORMATS[webhook.format](webhook, stored, now)


def new_secret() -> SigningSecret:
    return SigningSecret(key=secrets.token_bytes(_KEY))


def shown_secret(secret: SigningSecret) -> str:
    """As receivers are given it."""
    return PREFIX + base64.b64encode(secret.key).decode()


def good_secrets(webhook: Webhook, now: Instant) -> tuple[SigningSecret, ...]:
    return tuple(each for each in webhook.secrets if each.until is None or now < each.until)


def _standard(webhook: Webhook, stored: StoredEvent, now: Instant) -> Message:
    # With the time, since a database that was restored may give a number again, and another installation has its own.
    name = f"evt_{stored.sequence}_{stored.event.at}"
    body = msgspec.json.encode(document(stored))
    second = now // SECOND
    signed = f"{name}.{second}.".encode() + body
    return Message(
        {
            "content-type": "application/json",
            "user-agent": f"Corral/{__version__}",
            "webhook-id": name,
            "webhook-timestamp": str(second),
            "webhook-signature": " ".join(_signature(each.key, signed) for each in good_secrets(webhook, now)),
        },
        body,
    )


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


FORMATS: Mapping[str, Callable[[Webhook, StoredEvent, Instant], Message]] = {"standard": _standard}
