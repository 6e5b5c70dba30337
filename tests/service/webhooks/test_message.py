"""What a receiver gets: an event whose signature can be checked with every secret that is good."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

from contract import values as v
from contract.test_webhooks import webhook
from corral.service.webhooks.message import message, new_secret, shown_secret
from corral.store.events import StoredEvent
from corral.store.webhooks import SigningSecret

STORED = StoredEvent(sequence=7, event=v.event("connection.ended", data={"reason": "removed", "proof": "CheckOut"}))


def expected(secret: str, headers: "dict[str, str]", body: bytes) -> str:
    """As the specification has it, from what a receiver has."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_the_body_is_the_event_as_the_api_gives_it() -> None:
    told = message(webhook(), STORED, v.NOW)
    assert told.headers["content-type"] == "application/json"
    assert json.loads(told.body) == {
        "sequence": 7,
        "type": "connection.ended",
        "at": "2026-09-21T14:13:20Z",
        "device_id": "D1",
        "connection_id": "C1",
        "data": {"reason": "removed", "proof": "CheckOut"},
    }


def test_it_is_signed_by_every_secret_that_is_good() -> None:
    new, old, over = new_secret(), replace(new_secret(), until=v.NOW + 1), replace(new_secret(), until=v.NOW)
    told = message(webhook(secrets=(new, old, over)), STORED, v.NOW)
    headers = dict(told.headers)
    assert headers["webhook-signature"].split() == [
        expected(shown_secret(each), headers, told.body) for each in (new, old)
    ]
    assert headers["webhook-timestamp"] == str(v.NOW // 1000)


def test_the_id_is_the_same_in_every_attempt_and_another_for_every_event() -> None:
    secret = SigningSecret(key=b"k" * 32)
    first = message(webhook(secrets=(secret,)), STORED, v.NOW).headers
    again = message(webhook(secrets=(secret,)), STORED, v.NOW + 5000).headers
    assert first["webhook-id"] == again["webhook-id"]
    assert first["webhook-signature"] != again["webhook-signature"]
    others = (replace(STORED, sequence=8), replace(STORED, event=replace(STORED.event, at=v.NOW + 1)))
    ids = {message(webhook(), each, v.NOW).headers["webhook-id"] for each in (STORED, *others)}
    assert len(ids) == 3


def test_no_secret_is_seen_where_a_webhook_is_shown() -> None:
    made = webhook(url="https://hooks.example.org/T0KEN", secrets=(SigningSecret(key=b"KEY"),))
    assert "KEY" not in repr(made)
    assert "T0KEN" not in repr(made)
    assert "removed" not in repr(message(made, STORED, v.NOW))
