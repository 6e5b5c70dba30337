import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apns import (
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


def answer(status: int, reason: str, **more: object) -> Outcome:
    return classify(status, {}, json.dumps({"reason": reason, **more}).encode())


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadDeviceToken", Misconfigured(400, "BadDeviceToken")),
        (400, "DeviceTokenNotForTopic", Misconfigured(400, "DeviceTokenNotForTopic")),
        (400, "SomethingNew", Misconfigured(400, "SomethingNew")),
        (400, "IdleTimeout", RetryLater(None, "IdleTimeout")),
        (403, "BadCertificate", CertificateRefused(403, "BadCertificate")),
        (403, "BadCertificateEnvironment", CertificateRefused(403, "BadCertificateEnvironment")),
        (404, "BadPath", Broken(404, "BadPath")),
        (405, "MethodNotAllowed", Broken(405, "MethodNotAllowed")),
        (410, "Unregistered", Unregistered(None)),
        (410, "ExpiredToken", Unregistered(None, "ExpiredToken")),
        (413, "PayloadTooLarge", Broken(413, "PayloadTooLarge")),
        (429, "TooManyRequests", RetryLater(None, "TooManyRequests")),
        (500, "InternalServerError", RetryLater(None, "InternalServerError")),
        (503, "Shutdown", RetryLater(None, "Shutdown")),
        (302, "Elsewhere", Broken(302, "Elsewhere")),
        (204, "", Broken(204, "unknown")),
    ],
)
def test_each_answer_of_apple_has_its_meaning(status: int, reason: str, expected: Outcome) -> None:
    assert answer(status, reason) == expected


def test_an_accepted_push_carries_the_id_that_apple_echoed() -> None:
    assert classify(200, {b"apns-id": b"ABC-1"}, b"") == Accepted("ABC-1")


def test_the_timestamp_of_a_dead_token_is_in_milliseconds() -> None:
    assert answer(410, "Unregistered", timestamp=1_760_000_000_500) == Unregistered(
        datetime(2025, 10, 9, 8, 53, 20, 500_000, tzinfo=UTC)
    )


@pytest.mark.parametrize("timestamp", [10**400, 1e308, -1e300, True, "1760000000", None, [1], float("nan")])
def test_a_timestamp_that_is_none_does_not_hide_a_dead_token(timestamp: object) -> None:
    assert answer(410, "Unregistered", timestamp=timestamp) == Unregistered(None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({b"retry-after": b"120"}, 120.0),
        ({b"retry-after": b" 5 "}, 5.0),
        ({b"retry-after": b"99999999999999999999"}, 86_400.0),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"\xb2"}, None),
        ({}, None),
        (
            {b"retry-after": b"Thu, 09 Oct 2025 08:54:20 GMT", b"date": b"Thu, 09 Oct 2025 08:53:20 GMT"},
            60.0,
        ),
        (
            {b"retry-after": b"Thu, 09 Oct 2025 08:50:00 GMT", b"date": b"Thu, 09 Oct 2025 08:53:20 GMT"},
            0.0,
        ),
        ({b"retry-after": b"Thu, 09 Oct 2025 08:54:20 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert classify(503, headers, b"") == RetryLater(seconds, "unknown")


@pytest.mark.parametrize(
    "body",
    [b"", b"[" * 4000, b'{"reason": "a\\nb"}', b'{"reason": 5}', b'"x"', b"\xff\xfe", b'{"reason":"' + b"A" * 5000],
)
def test_a_reason_that_is_not_a_word_is_not_repeated(body: bytes) -> None:
    assert classify(400, {}, body) == Misconfigured(400, "unknown")


@given(
    st.integers(100, 999),
    st.dictionaries(st.sampled_from([b"apns-id", b"retry-after", b"date"]), st.binary(max_size=80)),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.dictionaries(st.sampled_from(["reason", "timestamp"]), inner) | st.lists(inner),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_every_answer_has_an_outcome_and_only_410_ends_a_token(
    status: int, headers: dict[bytes, bytes], body: bytes
) -> None:
    outcome = classify(status, headers, body)
    assert isinstance(outcome, Unregistered) == (status == 410)
    assert isinstance(outcome, Accepted) == (status == 200)
    assert str(outcome).isprintable()


def test_a_push_shows_neither_token_nor_magic() -> None:
    push = Push(b"\xab" * 32, "com.apple.mgmt.x", "very-secret", 0, "id")
    assert "very-secret" not in repr(push)
    assert "xab" not in repr(push)
