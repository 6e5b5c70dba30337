"""The readers of what other services answer: Apple's push service, its device enrollment service, an identity provider,
and receivers of webhooks."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import httpx
from cryptography import x509
from hpack.struct import HeaderTuple
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet

from corral.apns.connection import Connection, Timeouts
from corral.apns.goaway import FrameError, GoAway, GoAwaySplitter
from corral.apns.push import classify, read_reason, retry_after
from corral.dep import records
from corral.dep.client import DepClient, DepLine
from corral.dep.failure import DepError, failure_of, session_lost
from corral.dep.profile import ProfileError, read_profile
from corral.dep.records import RecordError
from corral.dep.token import KeyPair, ServerToken, TokenError, make_key_pair, open_token, read_token
from corral.lifecycle.state import Instant
from corral.outgoing import Outgoing, OutgoingError, Reply
from corral.outgoing.client import parse
from corral.outgoing.failure import LineClosed
from corral.outgoing.line import Line, Target
from corral.pki.cms.enveloped import encrypt
from corral.service.accounts.person import AccountRules, SignInRefused
from corral.service.accounts.provider import Client, NotBelieved, Proof, Provider, ProviderError
from corral.service.webhooks.answer import outcome
from fuzz.reader import Reader, check_text, of_json, of_text, reader

_NOW = datetime(2026, 6, 1, tzinfo=UTC)
_INSTANT: Instant = 1_780_272_000_000


@cache
def _loop() -> asyncio.Runner:
    return asyncio.Runner()


def _run(doing: Coroutine[Any, Any, object]) -> object:
    return _loop().run(doing)


def _documents(*documents: object) -> Callable[[], Sequence[bytes]]:
    return lambda: [json.dumps(each).encode() for each in documents]


# -- Apple's push service


def _classify(data: bytes) -> None:
    """As a body, and as the headers that count, of every status that means something."""
    for status in (200, 400, 403, 410, 429, 500, 503, 302):
        classify(status, {}, data)
        classify(status, {b"retry-after": data, b"date": data[::-1], b"apns-id": data}, b"")


def _frames(data: bytes) -> None:
    """Whole and in pieces it is the same, and nothing is lost."""
    told = [_fed(data, size) for size in (len(data) or 1, 1, 7)]
    assert told[0] == told[1] == told[2]


def _fed(data: bytes, size: int) -> object:
    splitter, passed, told = GoAwaySplitter(), bytearray(), list[GoAway]()
    try:
        for at in range(0, len(data), size):
            for part in splitter.feed(data[at : at + size]):
                if isinstance(part, GoAway):
                    told.append(part)
                else:
                    passed += part
    except FrameError:
        return "refused"
    return bytes(passed), told


class _Wire(asyncio.Transport):
    """A connection whose other end is the fuzzer."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def write(self, data: Any) -> None: ...

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


async def _pushed(data: bytes) -> None:
    """Whatever a server of Apple's says, each request ends in one way, and so does the connection."""
    ended: list[object] = []
    connection = Connection(Timeouts(), lambda _, how: ended.append(how))
    wire = _Wire()
    connection.connection_made(wire)
    reply = connection.request([HeaderTuple(b":method", b"POST"), HeaderTuple(b":path", b"/3/device/00")], b"{}")
    connection.data_received(b"\0\0\0\4\0\0\0\0\0")  # its settings, without which nothing is asked
    connection.data_received(data)
    connection.data_received(data[::-1])
    connection.connection_lost(None)
    assert reply.done()
    assert len(ended) == 1


def _http2() -> Sequence[bytes]:
    goaway = json.dumps({"reason": "Shutdown"}).encode()
    return [
        b"\0\0\0\4\0\0\0\0\0",
        (8 + len(goaway)).to_bytes(3) + b"\7\0\0\0\0\0" + b"\0\0\0\1\0\0\0\0" + goaway,
        b"\0\0\1\1\5\0\0\0\1\x88",
        b"\0\0\4\10\0\0\0\0\0\0\1\0\0",
        b"\0\0\4\3\0\0\0\0\1\0\0\0\7",
    ]


# -- Apple's device enrollment service


class _Apple(httpx.AsyncBaseTransport):
    """Opens a session, and then answers as it was told."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._answer = status, headers, body

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/session":
            return httpx.Response(200, json={"auth_session_token": "s"})
        status, headers, body = self._answer
        return httpx.Response(status, headers=headers, content=body)


def _enrollment_service(data: bytes) -> None:
    """Any answer of any call, of every status that means something, and any headers that are obeyed."""
    odd = [(b"retry-after", data[:100]), (b"x-adm-auth-session", data[:100])]
    for status, headers, body in (
        (200, [], data),
        (400, [], data),
        (403, [], data),
        (429, odd, b""),
        (200, odd, b"{}"),
    ):
        with suppress(DepError):
            _run(_called(_Apple(status, headers, body)))


async def _called(apple: _Apple) -> None:
    token = ServerToken(consumer_key="a", consumer_secret="b", access_token="c", access_secret="d", expires_at=_NOW)
    async with httpx.AsyncClient(transport=apple) as http:
        for call in (DepLine.account, DepLine.fetch, DepLine.discovery):
            line = DepLine(http, "https://apple.test", token, lambda: 1_780_272_000.0)
            await call(line)


def _failures(data: bytes) -> None:
    for status in (400, 401, 403, 404, 429, 500, 418):
        session_lost(status, data.decode("latin-1"))
        failure_of(status, data.decode("latin-1"), None)


@cache
def _pair() -> KeyPair:
    return make_key_pair("fuzz", _NOW)


def _token(data: bytes) -> None:
    """The file as it comes, and any content soundly enclosed in it."""
    certificate = x509.load_pem_x509_certificate(_pair().certificate_pem)
    for file in (data, encrypt(data or b" ", certificate, "aes-128-cbc")):
        with suppress(TokenError):
            open_token(file, _pair()).to_json()


@cache
def _tokens() -> Sequence[bytes]:
    inner = _inner_tokens()[0]
    certificate = x509.load_pem_x509_certificate(_pair().certificate_pem)
    text = base64.encodebytes(encrypt(inner, certificate, "aes-256-cbc"))
    head = (
        b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return [head + text, text, b"MIME-Version: 1.0\r\n" + head + text, inner]


def _inner_tokens() -> Sequence[bytes]:
    token = ServerToken(consumer_key="a", consumer_secret="b", access_token="c", access_secret="d", expires_at=_NOW)
    document = token.to_json()
    return [b"-----BEGIN MESSAGE-----\n" + document + b"\n-----END MESSAGE-----\n", document]


def _read_token(data: bytes) -> ServerToken:
    token = read_token(data)
    assert read_token(token.to_json()) == token
    return token


_DEVICE = {"serial_number": "S", "model": "iPhone", "profile_status": "empty", "op_type": "added", "x": [1, None]}
_PAGE = {"devices": [_DEVICE], "cursor": "c", "more_to_follow": False, "fetched_until": "2026-06-01T00:00:00Z"}
_ACCOUNT = {"server_uuid": "u", "org_name": "o", "urls": [{"uri": "/devices", "http_method": ["POST"]}]}
_OUTCOMES = {"devices": {"S": "SUCCESS"}, "profile_uuid": "p", "retry_after_seconds": 3}


def _profiles() -> Sequence[bytes]:
    pem = _pair().certificate_pem.decode()
    anchor = "".join(pem.splitlines()[1:-1])
    profile = {
        "profile_name": "p",
        "url": "https://h/enroll",
        "anchor_certs": [anchor],
        "is_supervised": True,
        "is_mdm_removable": False,
        "skip_setup_items": ["AppleID"],
        "language": "en",
        "region": "US",
    }
    return [json.dumps(profile).encode()]


def _record(read: Callable[[object], object]) -> Callable[[bytes], object]:
    return lambda data: read(records.read_json(data.decode("utf-8", "replace")))


# -- an identity provider


class _Outgoing:
    """Answers what a sound provider would, but for one address."""

    def __init__(self, path: str, body: bytes, id_token: str) -> None:
        said = {f"{name}_endpoint": f"https://id.test/{name}" for name in ("authorization", "token", "userinfo")}
        self.answers: dict[str, object] = {
            "/.well-known/openid-configuration": {
                "issuer": "https://id.test",
                "jwks_uri": "https://id.test/keys",
                **said,
            },
            "/keys": KeySet([_key()]).as_dict(private=False),
            "/token": {"id_token": id_token, "access_token": "a"},
            "/userinfo": {"sub": "s"},
        }
        self._other = path, body

    async def request(self, method: str, url: str, **_: object) -> Reply:
        del method
        path = url.removeprefix("https://id.test")
        body = self._other[1] if path == self._other[0] else json.dumps(self.answers.get(path)).encode()
        return Reply(200, {}, body)


@cache
def _key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "k"})


_CLAIMS = {"iss": "https://id.test", "sub": "s", "aud": "c", "iat": 1_780_272_000, "exp": 1_780_272_300, "nonce": "n"}
_ENDS = ("/.well-known/openid-configuration", "/keys", "/token", "/userinfo")


def _claims(data: bytes) -> None:
    """Whatever it has signed."""
    _signed_in(_Outgoing("", b"", jws.serialize_compact({"alg": "ES256", "kid": "k"}, data, _key())))


def _provider(data: bytes) -> None:
    """Any answer of any of its addresses."""
    sound = jwt.encode({"alg": "ES256", "kid": "k"}, dict(_CLAIMS), _key())
    for path in _ENDS:
        _signed_in(_Outgoing(path, data, sound))


def _signed_in(outgoing: _Outgoing) -> None:
    client = Client("https://id.test", "c", None, "openid", "https://h/callback")
    provider = Provider(client, cast(Outgoing, outgoing), lambda: _INSTANT)
    with suppress(ProviderError, NotBelieved):
        claims = _run(provider.redeem("code", Proof("v", "n")))
        check_text(claims)
        with suppress(SignInRefused):
            AccountRules(domains=("*",), groups=("g",)).person(cast("dict[str, object]", claims))
    with suppress(ProviderError, NotBelieved):
        _run(provider.sign_in_url("state", Proof("v", "n"), "hint"))


def _provider_answers() -> Sequence[bytes]:
    answers = _Outgoing("", b"", "a.b.c").answers
    return [json.dumps(each).encode() for each in answers.values()]


def _person(found: object) -> None:
    if isinstance(found, dict):
        AccountRules(domains=("*",), groups=("g",)).person(cast("dict[str, object]", found))


_PERSON = {"sub": "s", "email": "a@example.org", "email_verified": True, "groups": ["g"]}


# -- receivers, and whatever else is called


def _receiver(data: bytes) -> None:
    for status in (200, 302, 410, 429, 503):
        outcome(Reply(status, {"retry-after": data.decode("latin-1")}, b""), _INSTANT)


async def _answered(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    line = Line(Target("h", 443, "h", "/"), reader, cast(asyncio.StreamWriter, _Sink()))
    await line.request("POST", {}, b"{}", 1024)


class _Sink:
    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


def _texts(*texts: bytes) -> Callable[[], Sequence[bytes]]:
    return lambda: texts


READERS: tuple[Reader, ...] = (
    reader(classify, samples=_documents({"reason": "Unregistered", "timestamp": 1_780_272_000_000}), call=_classify),
    reader(read_reason, samples=_documents({"reason": "Shutdown"})),
    reader(
        retry_after,
        samples=_texts(b"120", b"Mon, 01 Jun 2026 00:00:00 GMT"),
        call=lambda data: retry_after({b"retry-after": data, b"date": b"Mon, 01 Jun 2026 00:00:00 GMT"}),
    ),
    reader(GoAwaySplitter.feed, samples=_http2, call=_frames),
    reader(Connection.data_received, samples=_http2, call=lambda data: _run(_pushed(data))),
    reader(
        DepLine.fetch,
        samples=_documents(_PAGE, _ACCOUNT, {"mdm_service_discovery_url": "https://h"}, "EXPIRED_CURSOR"),
        call=_enrollment_service,
        also=(DepLine.account, DepLine.discovery, DepClient.line, records.read_json),
    ),
    reader(failure_of, samples=_texts(b'"T_C_NOT_SIGNED"', b"FORBIDDEN"), call=_failures, also=(session_lost,)),
    reader(records.account, RecordError, samples=_documents(_ACCOUNT), call=_record(records.account)),
    reader(
        records.device_page,
        RecordError,
        samples=_documents(_PAGE),
        call=_record(records.device_page),
        also=(records.device,),
    ),
    reader(
        records.detailed, RecordError, samples=_documents({"devices": {"S": _DEVICE}}), call=_record(records.detailed)
    ),
    reader(records.outcomes, RecordError, samples=_documents(_OUTCOMES), call=_record(records.outcomes)),
    reader(read_profile, ProfileError, samples=_profiles, call=of_json(read_profile)),
    reader(open_token, samples=_tokens, call=_token),
    reader(read_token, TokenError, samples=_inner_tokens, call=_read_token),
    reader(Provider.sign_in_url, samples=_provider_answers, call=_provider),
    reader(Provider.redeem, samples=_documents(_CLAIMS), call=_claims),
    reader(AccountRules.person, SignInRefused, samples=_documents(_PERSON), call=of_json(_person)),
    reader(outcome, samples=_texts(b"120", b"Mon, 01 Jun 2026 00:00:00 GMT"), call=_receiver),
    reader(
        parse,
        OutgoingError,
        samples=_texts(b"https://example.org:8443/a?b=c", b"https://[2001:db8::1]/"),
        call=of_text(parse),
    ),
    reader(
        Line.request,
        OutgoingError,
        LineClosed,
        samples=_texts(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204 No Content\r\n\r\n",
        ),
        call=lambda data: _run(_answered(data)),
    ),
)
