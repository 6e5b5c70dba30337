"""Checks the OAuth header of a session request with Authlib, which shares no line with the client that is tested."""

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from authlib.oauth1.rfc5849 import signature as rfc5849  # pyright: ignore[reportMissingTypeStubs] - it has none

SKEW = 300
"""Seconds that a timestamp may be off."""

_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')
_NEEDED = {
    "oauth_consumer_key",
    "oauth_token",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
}


class BadSignature(Exception):
    """The header is not what Apple would take; the message is the word of its answer."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(word)
        self.status = status
        self.word = word


def read_header(header: str) -> dict[str, str]:
    """The parameters of `OAuth realm="ADM", ...`; raises BadSignature where it is malformed."""
    scheme, _, rest = header.partition(" ")
    pairs = _PARAMETER.findall(rest)
    given = {name: unquote(value) for name, value in pairs}
    if scheme != "OAuth" or len(given) != len(pairs) or not given.keys() >= _NEEDED:
        raise BadSignature(400, "oauth_problem_adviser")
    if given.get("realm") != "ADM" or given["oauth_signature_method"] != "HMAC-SHA1":
        raise BadSignature(400, "oauth_problem_adviser")
    if given.get("oauth_version", "1.0") != "1.0" or not given["oauth_timestamp"].isdecimal():
        raise BadSignature(400, "oauth_problem_adviser")
    return given


def check(given: Mapping[str, str], method: str, url: str, consumer_secret: str, token_secret: str, now: float) -> None:
    """Whether the signature is right and of now; raises BadSignature."""
    if abs(int(given["oauth_timestamp"]) - now) > SKEW:
        raise BadSignature(401, "oauth_problem=timestamp_refused")
    signed = cast(Any, rfc5849)
    parameters = [(name, value) for name, value in given.items() if name not in ("realm", "oauth_signature")]
    text = signed.construct_base_string(method, url, parameters)
    if signed.hmac_sha1_signature(text, consumer_secret, token_secret) != given["oauth_signature"]:
        raise BadSignature(401, "oauth_problem=signature_invalid")
