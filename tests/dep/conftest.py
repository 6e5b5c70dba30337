"""A stand-in for Apple's service, and a client of one of its servers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from corral.dep.client import DepClient, DepLine
from corral.dep.token import KeyPair, ServerToken, make_key_pair, open_token
from corral.simulator.ade.portal import PortalServer
from corral.simulator.ade.service import AdeService
from corral.simulator.push_certificates import StandInApple


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    return make_key_pair("Corral", datetime.now(UTC))


@dataclass
class Stage:
    service: AdeService
    server: PortalServer
    token: ServerToken
    client: DepClient
    line: DepLine
    apple: StandInApple


@pytest.fixture
async def stage(pair: KeyPair) -> AsyncIterator[Stage]:
    apple = StandInApple.create(datetime.now(UTC))
    service = AdeService(apple, largest_page=3)
    url = await service.start()
    server, file = service.add_server("first", pair.certificate_pem)
    token = open_token(file, pair)
    client = DepClient(url, trust_pem=apple.root_pem)
    yield Stage(service, server, token, client, client.line(token), apple)
    await client.close()
    await service.stop()
