"""Tokens that devices ask for by GetToken (Apple: "Get Token"), by the type of the service that they are for."""

import uuid
from collections.abc import Mapping
from typing import Final, Protocol

from joserfc import jwt
from joserfc.jwk import RSAKey

from corral.apple import plist
from corral.apple.checkin import GetToken
from corral.lifecycle.change import Answer
from corral.lifecycle.serving import PLIST
from corral.service.clock import Clock
from corral.store.ade import AdeServer

MAID: Final = "com.apple.maid"


class TokenService(Protocol):
    async def token(self, asked: GetToken) -> bytes | None:
        """None where there is none to be had."""
        ...


class Servers(Protocol):
    """Of store/ade.py."""

    async def servers(self) -> tuple[AdeServer, ...]: ...


class TokenServices:
    """Those that are offered. Whether a device may have a token is not decided here."""

    def __init__(self, services: Mapping[str, TokenService]) -> None:
        self._services = dict(services)

    async def answer(self, asked: GetToken) -> Answer:
        service = self._services.get(asked.service_type)
        token = await service.token(asked) if service is not None else None
        if token is None:
            return Answer(400, reason=f"No token service {asked.service_type!r} here.")
        return Answer(200, plist.dump({"TokenData": token}), PLIST)


class MaidTokens:
    """Proof towards Apple that a Managed Apple Account signs in on a device that this organization manages: a JWT that
    is signed with the key of a device management server of its portal (Apple: "Get Token").

    `server` is its name here; empty takes the first that Apple has told its UUID of.
    """

    def __init__(self, store: Servers, server: str, clock: Clock) -> None:
        self._store = store
        self._server = server
        self._clock = clock

    async def token(self, asked: GetToken) -> bytes | None:
        del asked
        server = await self._chosen()
        if server is None:
            return None
        claims = {
            "iss": server.server_uuid,
            "iat": self._clock() // 1000,
            "jti": str(uuid.uuid4()),
            "service_type": MAID,
        }
        return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(server.key_pem), ["RS256"]).encode()

    async def _chosen(self) -> AdeServer | None:
        known = [each for each in await self._store.servers() if each.server_uuid]
        return next((each for each in known if self._server in ("", each.name)), None)
