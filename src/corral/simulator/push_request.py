"""Whether a request to the push service is one that Apple takes.

Source: Apple, "Sending notification requests to APNs"; the reasons are those of "Handling notification
responses from APNs".
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

LARGEST_PAYLOAD: Final = 4096

_PATH = re.compile(rb"/3/device/([^/?#]*)")
_TOKEN = re.compile(rb"(?:[0-9a-f]{2}){1,100}")
_UUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOPIC = re.compile(rb"[A-Za-z0-9.\-]{1,255}")
_DIGITS = re.compile(rb"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A push that is well-formed, and allowed to the certificate it came with."""

    token: bytes = field(repr=False)
    topic: str
    magic: str = field(repr=False)
    expiration: int | None  # unix seconds
    priority: int
    push_id: str | None
    push_type: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    reason: str


def check_request(headers: Sequence[tuple[bytes, bytes]], body: bytes, topics: frozenset[str]) -> Wanted | Refusal:
    """`headers` with the pseudo-headers, as they came; `topics` are those of the client's certificate.

    `BadPayload` is this stand-in's own word: Apple's list has none for a body that is not a push for MDM.
    """
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in values and (name.startswith(b"apns-") or name.startswith(b":")):
            return Refusal(400, "DuplicateHeaders")
        values[name] = value
    path = _PATH.fullmatch(values.get(b":path", b""))
    if path is None:
        return Refusal(404, "BadPath")
    if values.get(b":method") != b"POST":
        return Refusal(405, "MethodNotAllowed")
    push_id = values.get(b"apns-id")
    if push_id is not None and not _UUID.fullmatch(push_id):
        return Refusal(400, "BadMessageId")
    push_type = values.get(b"apns-push-type")
    if push_type not in (None, b"mdm"):
        return Refusal(400, "InvalidPushType")
    expiration = values.get(b"apns-expiration")
    if expiration is not None and not _DIGITS.fullmatch(expiration):
        return Refusal(400, "BadExpirationDate")
    priority = values.get(b"apns-priority", b"10")
    if priority not in (b"10", b"5", b"1"):
        return Refusal(400, "BadPriority")
    if not 0 < len(values.get(b"apns-collapse-id", b"-")) <= 64:
        return Refusal(400, "BadCollapseId")
    topic = _check_topic(values.get(b"apns-topic"), topics)
    if isinstance(topic, Refusal):
        return topic
    magic = _check_body(body)
    if isinstance(magic, Refusal):
        return magic
    token = path[1]
    if not token:
        return Refusal(400, "MissingDeviceToken")
    if not _TOKEN.fullmatch(token):
        return Refusal(400, "BadDeviceToken")
    return Wanted(
        token=bytes.fromhex(token.decode()),
        topic=topic,
        magic=magic,
        expiration=None if expiration is None else int(expiration),
        priority=int(priority),
        push_id=None if push_id is None else push_id.decode(),
        push_type=None if push_type is None else push_type.decode(),
    )


def _check_topic(given: bytes | None, topics: frozenset[str]) -> str | Refusal:
    if given is None:
        # A certificate for a single topic names it well enough.
        return next(iter(topics)) if len(topics) == 1 else Refusal(400, "MissingTopic")
    if not _TOPIC.fullmatch(given):
        return Refusal(400, "BadTopic")
    topic = given.decode()
    return topic if topic in topics else Refusal(400, "TopicDisallowed")


def _check_body(body: bytes) -> str | Refusal:
    if not body:
        return Refusal(400, "PayloadEmpty")
    if len(body) > LARGEST_PAYLOAD:
        return Refusal(413, "PayloadTooLarge")
    try:
        payload: object = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(400, "BadPayload")
    if not isinstance(payload, dict):
        return Refusal(400, "BadPayload")
    keys = cast("dict[str, object]", payload)
    magic = keys.get("mdm")
    if len(keys) != 1 or not isinstance(magic, str) or not magic:
        return Refusal(400, "BadPayload")
    return magic
