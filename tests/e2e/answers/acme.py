"""Rows about `/acme`."""

import json

from cryptography.hazmat.primitives.asymmetric import ec

from corral.simulator.acme_signing import sign_request
from corral.simulator.transport import Response
from corral.store.acme import MOST_ORDERS
from e2e.acme_by_hand import AcmeByHand, csr, problem
from e2e.answers.register import Stage, row


def _client(stage: Stage) -> AcmeByHand:
    return AcmeByHand(stage.corral, stage.corral.device())


async def _ask(stage: Stage, method: str, path: str) -> Response:
    return await stage.corral.transport.request(method, f"{stage.corral.url}/acme{path}", trust=stage.corral.trust)


@row(71)
async def the_directory_and_a_nonce(stage: Stage) -> None:
    directory = await _ask(stage, "GET", "/directory")
    assert directory.status == 200
    assert json.loads(directory.body)["newOrder"] == f"{stage.corral.url}/acme/new-order"
    for method, status in (("HEAD", 200), ("GET", 204)):
        answer = await _ask(stage, method, "/new-nonce")
        assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")
        assert answer.headers["replay-nonce"]


@row(72)
async def an_order_to_its_certificate(stage: Stage) -> None:
    client, key = _client(stage), ec.generate_private_key(ec.SECP384R1())
    order = await client.begin()
    assert order["status"] == "pending"
    assert (await client.prove(order, key))["status"] == "valid"
    finished = json.loads((await client.post(order["finalize"], {"csr": csr(key)})).body)
    assert finished["status"] == "valid"
    answer = await client.post(finished["certificate"])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pem-certificate-chain")
    assert answer.body.count(b"BEGIN CERTIFICATE") == 2


@row(73)
async def a_proof_that_is_not_believed(stage: Stage) -> None:
    client = _client(stage)
    order = await client.begin()
    challenge = await client.prove(order, ec.generate_private_key(ec.SECP384R1()), "the token of another")
    assert challenge["status"] == "invalid"
    assert challenge["error"]["type"] == "urn:ietf:params:acme:error:badAttestationStatement"


@row(74)
async def what_is_refused(stage: Stage) -> None:
    client = _client(stage)
    url = f"{stage.corral.url}/acme/new-order"
    assert problem(await client.send(url, b"{}")) == "malformed"
    no_type = await stage.corral.transport.request("POST", url, body=b"{}", trust=stage.corral.trust)
    assert (no_type.status, problem(no_type)) == (415, "malformed")
    too_long = await client.send(url, b" " * (128 * 1024 + 1))
    assert (too_long.status, problem(too_long)) == (413, "malformed")
    await client.register()
    body = sign_request(client.account_key, url, "made-elsewhere", {}, kid=client.kid)
    assert problem(await client.send(url, body)) == "badNonce"
    client.identifier = "guessed"
    asked = {"identifiers": [{"type": "permanent-identifier", "value": "guessed"}]}
    answer = await client.post("new-order", asked)
    assert (answer.status, problem(answer)) == (403, "rejectedIdentifier")


@row(75)
async def too_many_orders(stage: Stage) -> None:
    client = _client(stage)
    await client.begin()
    for _ in range(MOST_ORDERS - 1):
        await client.order()
    asked = {"identifiers": [{"type": "permanent-identifier", "value": client.identifier}]}
    answer = await client.post("new-order", asked)
    assert (answer.status, problem(answer), answer.headers["retry-after"]) == (429, "rateLimited", "30")
