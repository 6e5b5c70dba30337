"""Tokens for GetToken: the JWT that vouches for a device where a Managed Apple Account signs in."""

import base64
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from corral.apple import plist
from corral.apple.checkin import GetToken
from corral.service.mdm.token_services import MAID, MaidTokens, TokenServices
from corral.store.ade import AdeServer
from lifecycle import arrange as a
from service.fakes import Clock

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SERVER = AdeServer(
    name="main", created_at=a.NOW, certificate_pem=b"", key_pem=PEM, server_uuid="0A1B2C3D-0000-4000-8000-000000000001"
)


class Servers:
    """What is asked of the store of device enrollment servers."""

    def __init__(self, *servers: AdeServer) -> None:
        self.kept = servers

    async def servers(self) -> tuple[AdeServer, ...]:
        return self.kept


def services(*servers: AdeServer, name: str = "") -> TokenServices:
    return TokenServices({MAID: MaidTokens(Servers(*servers), name, Clock(a.NOW))})


def issuer(body: bytes) -> str:
    token = plist.parse_dict(body)["TokenData"]
    assert isinstance(token, bytes)
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    read = jwt.decode(token, RSAKey.import_key(public), ["RS256"])
    assert read.header == {"typ": "JWT", "alg": "RS256"}
    claims = read.claims
    assert (claims["iat"], claims["service_type"]) == (a.NOW // 1000, "com.apple.maid")
    assert set(claims) == {"iss", "iat", "jti", "service_type"}
    return str(claims["iss"])


async def test_a_token_is_signed_by_the_servers_key_and_never_the_same() -> None:
    answers = [await services(SERVER).answer(GetToken(a.SPEAKER, MAID)) for _ in range(2)]
    assert [each.status for each in answers] == [200, 200]
    assert issuer(answers[0].body) == SERVER.server_uuid
    assert answers[0].body != answers[1].body


async def test_the_signature_is_one_that_others_can_check() -> None:
    answer = await services(SERVER).answer(GetToken(a.SPEAKER, MAID))
    token = plist.parse_dict(answer.body)["TokenData"]
    assert isinstance(token, bytes)
    signed, _, signature = token.rpartition(b".")
    raw = base64.urlsafe_b64decode(signature + b"=" * (-len(signature) % 4))
    KEY.public_key().verify(raw, signed, padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    ("servers", "name", "expected"),
    [
        ((), "", None),
        ((replace(SERVER, server_uuid=""),), "", None),
        ((replace(SERVER, name="a", server_uuid=""), replace(SERVER, name="b", server_uuid="B")), "", "B"),
        ((replace(SERVER, name="a", server_uuid="A"), replace(SERVER, name="b", server_uuid="B")), "b", "B"),
        ((SERVER,), "another", None),
    ],
    ids=["none", "unknown-to-apple", "the-first-known", "the-named", "a-name-that-is-not-there"],
)
async def test_which_server_vouches(servers: tuple[AdeServer, ...], name: str, expected: str | None) -> None:
    answer = await services(*servers, name=name).answer(GetToken(a.SPEAKER, MAID))
    if expected is None:
        assert answer.status == 400
    else:
        assert issuer(answer.body) == expected


async def test_a_service_that_is_not_offered_is_400() -> None:
    answer = await services(SERVER).answer(GetToken(a.SPEAKER, "com.example.other"))
    assert (answer.status, answer.body) == (400, b"")
