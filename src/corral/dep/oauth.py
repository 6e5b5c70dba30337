"""OAuth 1.0a (RFC 5849) as Apple's device enrollment service asks for it: HMAC-SHA1, parameters in the header alone."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, quote, urlsplit

REALM = "ADM"


def authorization(
    method: str,
    url: str,
    consumer: tuple[str, str],
    token: tuple[str, str],
    *,
    timestamp: int,
    nonce: str,
    realm: str = REALM,
) -> str:
    """The value of an Authorization header. `consumer` and `token` are each a key and its secret.

    `timestamp` is Unix seconds; `nonce` must never come twice with the same timestamp (RFC 5849 3.3).
    """
    given = [
        ("oauth_consumer_key", consumer[0]),
        ("oauth_token", token[0]),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", str(timestamp)),
        ("oauth_nonce", nonce),
        ("oauth_version", "1.0"),
    ]
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    signed = signature(base_string(method, url, [*query, *given]), consumer[1], token[1])
    shown = ", ".join(f'{name}="{_escape(value)}"' for name, value in [*given, ("oauth_signature", signed)])
    return f'OAuth realm="{realm}", {shown}'


def base_string(method: str, url: str, parameters: Sequence[tuple[str, str]]) -> str:
    """What is signed (RFC 5849 3.4.1); `parameters` are those of the query, the header and a form, decoded."""
    pairs = sorted((_escape(name), _escape(value)) for name, value in parameters)
    return "&".join(map(_escape, (method.upper(), _base_uri(url), _joined(pairs))))


def signature(text: str, consumer_secret: str, token_secret: str) -> str:
    """HMAC-SHA1 over a base string, in base64 (RFC 5849 3.4.2)."""
    key = f"{_escape(consumer_secret)}&{_escape(token_secret)}"
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _base_uri(url: str) -> str:
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(scheme)
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{scheme}://{host}{port}{parts.path or '/'}"


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)


def _escape(text: str) -> str:
    """RFC 5849 3.6: everything but letters, digits, `-`, `.`, `_` and `~`."""
    return quote(text, safe="~")
