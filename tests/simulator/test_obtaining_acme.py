"""A device is as strict with an ACME server as Apple's: what is not in order gets no further."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, cast

import pytest

from corral.apple.installed_profile import AcmeIdentity
from corral.simulator.attesting import attestation_server
from corral.simulator.behaviour import Behaviour, Patience
from corral.simulator.facts import Model, make_facts
from corral.simulator.fetching import InstallationFailed
from corral.simulator.obtaining_acme import obtain_by_acme
from corral.simulator.speaking import Voice
from corral.simulator.transport import Response, Transport
from corral.simulator.trust import Trust

BASE = "https://mdm.example/acme"
IDENTIFIER = {"type": "permanent-identifier", "value": "client"}
TOKEN = "t" * 43


def answer(document: object, status: int = 200, **headers: str) -> Response:
    return Response(status, {"replay-nonce": "bm9uY2U", **headers}, json.dumps(document).encode())


GOOD: dict[str, Response] = {
    "directory": answer({name: f"{BASE}/{name}" for name in ("newNonce", "newAccount", "newOrder")}),
    "newNonce": answer({}),
    "newAccount": answer({}, 201, location=f"{BASE}/account/1"),
    "newOrder": answer(
        {
            "status": "pending",
            "identifiers": [IDENTIFIER],
            "authorizations": [f"{BASE}/authz"],
            "finalize": f"{BASE}/f",
        },
        201,
    ),
    "authz": answer(
        {"status": "pending", "challenges": [{"type": "device-attest-01", "url": f"{BASE}/chall", "token": TOKEN}]}
    ),
}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Server:
    """Says what it is told to, by the last part of the address."""

    answers: dict[str, Response]
    asked: list[str] = field(default_factory=list[str])

    async def request(
        self, method: str, url: str, *, trust: Trust, headers: Sequence[Any] = (), body: bytes = b""
    ) -> Response:
        del method, trust, headers, body
        name = url.rpartition("/")[2]
        self.asked.append(name)
        return self.answers.get(name, answer({"type": "urn:ietf:params:acme:error:malformed"}, 400))


async def obtain(
    wrong: dict[str, Response] | None = None,
    model: Model = Model.IPHONE,
    system: str = "18.2",
    *,
    attests: bool = True,
) -> None:
    server = Server({**GOOD, **(wrong or {})})
    facts = make_facts(Random(1), model, os_version=system)
    voice = Voice(facts, Behaviour(patience=Patience(1, 0, 0)), cast(Transport, server), now)
    wanted = AcmeIdentity(f"{BASE}/directory", "client", 384, True, True, ())
    await obtain_by_acme(voice, wanted, Trust(), attestation_server(now()) if attests else None)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"directory": answer({}, 404)}, "HTTP 404"),
        ({"directory": answer([])}, "no JSON object"),
        ({"directory": answer({"newNonce": "http://x"})}, "newNonce is no https URL"),
        ({"newNonce": Response(200, {}, b"")}, "without a Replay-Nonce"),
        ({"newNonce": Response(200, {"replay-nonce": "a b"}, b"")}, "without a Replay-Nonce"),
        ({"newAccount": answer({}, 201)}, "no Location"),
        ({"newAccount": answer({"type": "urn:ietf:params:acme:error:badNonce"}, 400)}, "badNonce"),
        ({"newOrder": answer({"identifiers": []}, 201)}, "another identifier"),
        ({"newOrder": answer({"identifiers": [IDENTIFIER], "authorizations": []}, 201)}, "exactly one authorization"),
        ({"authz": answer({"status": "pending", "challenges": [{"type": "http-01"}]})}, "device-attest-01"),
        ({"authz": answer({"challenges": [{"type": "device-attest-01", "token": "short"}]})}, "128 bits"),
        ({"chall": answer({})}, "never became valid"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_a_server_that_is_not_in_order_gives_no_identity(wrong: dict[str, Response], why: str) -> None:
    with pytest.raises(InstallationFailed, match=why):
        await obtain(wrong)


async def test_a_device_that_cannot_attest_does_not_begin() -> None:
    with pytest.raises(InstallationFailed, match="asks for an attestation"):
        await obtain(attests=False)
    with pytest.raises(InstallationFailed, match="asks for an attestation"):
        await obtain(None, Model.MAC, "13.7.1")
