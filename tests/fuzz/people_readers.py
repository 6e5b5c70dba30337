"""The readers of what people bring: files, documents of the admin API, and what a stranger says to a device's address
beside Apple's messages: secrets that stand for something, headers, digests of passwords."""

import base64
import hashlib
import io
import json
import plistlib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from corral import backup
from corral.apple.plist import PlistError, dump
from corral.backup import Archive, BackupError
from corral.cli.command_keys import read_value
from corral.cli.documents import read_document
from corral.cli.failure import Failure, UsageFailure
from corral.cli.moments import moment
from corral.cli.packages import ipa, pkg
from corral.cli.packages.facts import PackageError
from corral.cli.reach.access import check_url
from corral.http.admin.resources.plist_json import from_json, to_json
from corral.http.device.accounts.challenge import bearer
from corral.http.device.admission import wants_plist
from corral.inventory.asking import read_question, write_question
from corral.inventory.question import QuestionError
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.digest import UserFileError, Verifier, read_users
from corral.lifecycle.state import EnrollmentKind, Instant
from corral.pki import cms
from corral.sealing import Sealer, SealError, read_keys
from corral.service.accounts.sign_in import ForSetup, SignIns
from corral.service.connections.returning import check_profile
from corral.service.enrollment.challenges import Challenges
from corral.service.enrollment.policy_document import PolicyDocument, compile_policy
from corral.service.errors import RequestRefused
from corral.service.mdm.pairing_tokens import PairingTokens
from corral.service.uploaded_profile import identifier_of, read_profile
from corral.settings import parse_duration
from corral.store.transfer import SCHEMA, TABLES
from corral.tracing.context import caller, parent
from fuzz.apple_readers import messages
from fuzz.pki_readers import NOW, world
from fuzz.reader import Reader, of_json, of_text, reader
from samples import PROFILE

_AT: Instant = 1_780_272_000_000
_KEY = b"k" * 32


def _texts(*texts: bytes) -> Callable[[], Sequence[bytes]]:
    return lambda: texts


# -- backups

_PASSPHRASE = b"p"
_COST = 1


def _archive(data: bytes) -> None:
    """A file as it comes; any stream in soundly sealed chunks; any message in a sound stream."""
    message = len(data).to_bytes(4) + data
    for file in (data, _sealed(data), _sealed(zstandard.compress(message)), _sealed(zstandard.compress(data))):
        if file[14:15] > b"\x08":  # a cost that is allowed, and that a thousand tries cannot pay
            continue
        with suppress(BackupError):
            backup.verify(Archive(io.BytesIO(file), _PASSPHRASE))


@cache
def _cipher(head: bytes) -> AESGCM:
    salt = head[-32:]
    return AESGCM(Scrypt(salt=salt, length=32, n=2**_COST, r=8, p=1).derive(_PASSPHRASE))


def _sealed(stream: bytes) -> bytes:
    head = backup.MAGIC + bytes((backup.FORMAT, _COST)) + bytes(32)
    written = bytearray(head)
    chunks = [stream[at : at + backup.CHUNK] for at in range(0, len(stream), backup.CHUNK)] or [b""]
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11) + bytes((number == len(chunks) - 1,))
        sealed = _cipher(head).encrypt(nonce, chunk, head)
        written += len(sealed).to_bytes(4) + sealed
    return bytes(written)


@cache
def _archives() -> Sequence[bytes]:
    table = next(each for each in TABLES if each.name == "secret")
    counts = {each.name: 0 for each in TABLES} | {table.name: 1}
    start = {
        "type": "start",
        "version": "0.1",
        "created_at": _AT,
        "public_url": "https://h",
        "settings": "",
        "schema": SCHEMA,
        "seal": b"seal",
        "counts": counts,
        "numbers": {"event": 7},
    }
    parts = [
        start,
        {"type": "rows", "table": table.name, "columns": list(table.columns), "rows": [["authority.key", b"sealed"]]},
        {"type": "end", "counts": counts},
    ]
    written = [msgspec.msgpack.encode(each) for each in parts]
    stream = b"".join(len(each).to_bytes(4) + each for each in written)
    archive = _sealed(zstandard.compress(stream))
    backup.verify(Archive(io.BytesIO(archive), _PASSPHRASE))  # else it would be no good sample
    return [archive, stream, zstandard.compress(stream), *written]


# -- packages


def _ipa(data: bytes) -> None:
    """A file as it comes, and any property list in a sound one."""
    for file in (data, _zipped(data)):
        with suppress(PackageError):
            ipa.read(io.BytesIO(file))


def _zipped(info: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Payload/Example.app/Info.plist", info)
    return made.getvalue()


def _pkg(data: bytes) -> None:
    """A file as it comes, and any table of contents and any description in a sound one."""
    for file in (data, _packed(data, b""), _packed(_CONTENTS, data)):
        with suppress(PackageError):
            pkg.read(io.BytesIO(file))


def _packed(contents: bytes, description: bytes) -> bytes:
    toc, packed = zlib.compress(contents), zlib.compress(description)
    header = b"xar!" + (28).to_bytes(2) + (1).to_bytes(2) + len(toc).to_bytes(8) + (9999).to_bytes(8) + bytes(4)
    return header + toc + bytes(20) + packed


_DESCRIPTION = (
    b'<?xml version="1.0"?><installer-gui-script><title>T</title><product id="p" version="2.1"/>'
    b'<os-version min="13.0"/></installer-gui-script>'
)
_CONTENTS = (
    b'<?xml version="1.0"?><xar><toc><file id="1"><name>Distribution</name><data><length>200</length>'
    b'<offset>20</offset><size>200</size><encoding style="application/x-gzip"/></data></file></toc></xar>'
)


@cache
def _ipas() -> Sequence[bytes]:
    info = plistlib.dumps({"CFBundleIdentifier": "a", "CFBundleVersion": "1"}, fmt=plistlib.FMT_BINARY)
    return [_zipped(info), info]


@cache
def _pkgs() -> Sequence[bytes]:
    return [_packed(_CONTENTS, _DESCRIPTION), _CONTENTS, _DESCRIPTION]


# -- documents


@cache
def _profiles() -> Sequence[bytes]:
    return [PROFILE, cms.sign(PROFILE, world().certificate, world().key, signing_time=NOW), messages()[-1]]


def _keys(document: object) -> None:
    """What a person gives as JSON can be written for a device, and shown again."""
    value = from_json(document)
    with suppress(PlistError):
        dump({"Command": value})
    msgspec.json.encode(to_json(value))


_POLICY: dict[str, Any] = {
    "rules": [
        {
            "name": "old",
            "when": {"kind": ["automated"], "product": ["iPhone*"], "os_below": "17.1", "assigned": None},
            "then": {"do": "require-update", "minimum": "17.1"},
        },
        {"name": "attested", "when": {"attested": {"sip": True}}, "then": {"do": "admit", "identity": "acme"}},
        {"name": "none", "then": {"do": "decline", "unrecognized": True, "message": "no"}},
    ]
}


def _policy(document: object) -> None:
    with suppress(msgspec.ValidationError):
        compile_policy(msgspec.convert(document, PolicyDocument))


def _question(data: bytes) -> None:
    question = read_question(data.decode("utf-8", "replace"))
    assert read_question(write_question(question)) == question


def _document(text: str) -> None:
    """What was read can be sent."""
    for toml in (False, True):
        with suppress(ValueError):
            json.dumps(read_document(text, or_toml=toml), ensure_ascii=False, allow_nan=False).encode()


def _values(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if not text.startswith("@"):  # the name of a file
        for kind in (None, "string", "array", "date"):
            json.dumps(read_value(text, kind), ensure_ascii=False, allow_nan=False).encode()


def _moments(data: bytes) -> object:
    return moment("--expires", data.decode("utf-8", "replace"), "at", "in")


# -- secrets that stand for something, and headers


def _made() -> Verifier:
    return read_users(_USERS.decode(), _KEY)


def _digest(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    _made().auth_token(text, "D", "U", None, _AT)
    _made().gave(text, "D", "U")


_USERS = b"anna:corral:" + hashlib.md5(b"anna:corral:secret").hexdigest().encode() + b"\n"


@cache
def _digests() -> Sequence[bytes]:
    challenge = _made().challenge("D", "U", _AT)
    return [(f'{challenge},username="anna",uri="/",response="{"0" * 32}",qop=auth,nc=1,cnonce="c"').encode()]


@cache
def _challenges() -> Sequence[bytes]:
    made = Challenges(_KEY)
    return [made.for_link("L", "K").encode(), made.for_grant("G").encode()]


@cache
def _states() -> Sequence[bytes]:
    applicant = Applicant(kind=EnrollmentKind.AUTOMATED, udid="U", serial_number="S")
    return [SignIns(_KEY).begin(ForSetup(applicant), _AT)[1].encode()]


@cache
def _pairings() -> Sequence[bytes]:
    return [PairingTokens(_KEY, lambda: _AT).make("T", "P", "W")]


def _sealings() -> Sequence[bytes]:
    return [Sealer([_KEY]).seal(b"value", "place")]


READERS: tuple[Reader, ...] = (
    reader(Archive.read, samples=_archives, call=_archive, also=(backup.verify,)),
    reader(ipa.read, samples=_ipas, call=_ipa),
    reader(pkg.read, samples=_pkgs, call=_pkg),
    reader(read_profile, RequestRefused, samples=_profiles, also=(identifier_of,)),
    reader(check_profile, RequestRefused, samples=_profiles),
    reader(
        from_json,
        RequestRefused,
        samples=lambda: [json.dumps({"a": [1, {"$data": "AA=="}], "d": {"$date": "2026-06-01T00:00:00Z"}}).encode()],
        call=of_json(_keys),
    ),
    reader(compile_policy, ValueError, samples=lambda: [json.dumps(_POLICY).encode()], call=of_json(_policy)),
    reader(
        read_question,
        QuestionError,
        samples=_texts(
            b"platform = macOS and os_version < 15.3 and not filevault or supervised",
            b"has app (identifier = com.example.x and not version < 2) and last_seen > 30d",
            b'serial in (a, "b c") or name is unknown or last_seen<2026-01-01',
        ),
        call=_question,
    ),
    reader(
        read_document,
        ValueError,
        samples=_texts(b'{"a": [1, 2.5, null, "b"]}', b'[a]\nb = 2026-06-01\nc = ["d", 1e3, {e = true}]\n'),
        call=of_text(_document),
    ),
    reader(read_value, samples=_texts(b"[1, 2]", b'"a"', b"2026-06-01", b"a, b"), call=_values),
    reader(moment, UsageFailure, samples=_texts(b"7d", b"2026-12-31", b"2026-12-31T12:00Z"), call=_moments),
    reader(parse_duration, ValueError, samples=_texts(b"7d", b"1h30m", b"12"), call=of_text(parse_duration)),
    reader(check_url, Failure, samples=_texts(b"https://example.org:8443/a"), call=of_text(check_url)),
    reader(
        read_keys,
        SealError,
        samples=lambda: [base64.b64encode(_KEY) + b"\n"],
        call=of_text(lambda text: read_keys(text, "the file")),
    ),
    reader(Sealer.open, SealError, samples=_sealings, call=lambda data: Sealer([_KEY]).open(data, "place")),
    reader(read_users, UserFileError, samples=_texts(_USERS), call=of_text(lambda text: read_users(text, _KEY))),
    reader(Verifier.auth_token, samples=_digests, call=_digest, also=(Verifier.gave,)),
    reader(Challenges.read, samples=_challenges, call=of_text(Challenges(_KEY).read)),
    reader(SignIns.read, samples=_states, call=of_text(lambda text: SignIns(_KEY).read(text, _AT))),
    reader(
        PairingTokens.is_good,
        samples=_pairings,
        call=lambda data: PairingTokens(_KEY, lambda: _AT).is_good(data, "W"),
    ),
    reader(
        caller,
        samples=_texts(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"a=b,c@d=e"),
        call=of_text(lambda text: caller({"traceparent": text, "tracestate": text}), "latin-1"),
        also=(parent,),
    ),
    reader(bearer, samples=_texts(b"Bearer abc"), call=of_text(bearer, "latin-1")),
    reader(
        wants_plist,
        samples=_texts(b"application/xml;q=0.9, application/json"),
        call=of_text(wants_plist, "latin-1"),
    ),
)
