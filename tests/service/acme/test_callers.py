"""An account is whoever holds its key; a request is believed once."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from corral.lifecycle.state import HOUR
from corral.pki.acme.problem import Kind, Problem
from corral.service.acme import callers
from corral.service.acme.callers import Callers
from corral.service.acme.nonces import GOOD_FOR, Nonces
from corral.simulator.acme_signing import jwk_of, sign_request
from service.conftest import Office

BASE = "https://mdm.example.org/acme"


class Gate:
    def __init__(self, office: Office) -> None:
        self.office = office
        self.nonces = Nonces(b"k" * 32, office.store.acme, office.clock)
        self.callers = Callers(BASE, office.store.acme, self.nonces, office.clock)

    def signed(
        self, key: ec.EllipticCurvePrivateKey, path: str, payload: object = None, *, kid: str = "", nonce: str = ""
    ) -> bytes:
        nonce = nonce or self.nonces.make()
        return sign_request(key, BASE + path, nonce, payload, kid=kid or None)

    async def register(self, key: ec.EllipticCurvePrivateKey, **more: object) -> str:
        account, _ = await self.callers.register(self.signed(key, "/new-account", more), "/new-account")
        return f"{BASE}/account/{account.id}"


@pytest.fixture
def gate(office: Office) -> Gate:
    return Gate(office)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


async def test_a_key_has_one_account(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    first = await gate.register(key)
    assert await gate.register(key, onlyReturnExisting=True, termsOfServiceAgreed=True, contact=[]) == first
    other = ec.generate_private_key(ec.SECP384R1())
    assert await gate.register(other) != first
    caller = await gate.callers.identify(gate.signed(key, "/new-order", {"a": 1}, kid=first), "/new-order")
    assert f"{BASE}/account/{caller.account.id}" == first
    assert caller.payload == b'{"a":1}'


async def test_where_there_is_none_none_is_returned(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(Problem) as caught:
        await gate.register(key, onlyReturnExisting=True)
    assert caught.value.kind is Kind.ACCOUNT_DOES_NOT_EXIST


async def test_a_request_is_believed_once(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    kid = await gate.register(key)
    request = gate.signed(key, "/new-order", kid=kid)
    await gate.callers.identify(request, "/new-order")
    with pytest.raises(Problem) as caught:
        await gate.callers.identify(request, "/new-order")
    assert caught.value.kind is Kind.BAD_NONCE


async def test_a_nonce_must_be_ours_and_young(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    kid = await gate.register(key)
    old = gate.nonces.make()
    gate.office.clock.now += GOOD_FOR
    other = Nonces(b"x" * 32, gate.office.store.acme, gate.office.clock).make()
    kid = await gate.register(key)
    for nonce in (old, other, "AAAA", "!", "A" * 43):
        with pytest.raises(Problem) as caught:
            await gate.callers.identify(gate.signed(key, "/new-order", kid=kid, nonce=nonce), "/new-order")
        assert caught.value.kind is Kind.BAD_NONCE


async def test_the_signature_of_another_key_spends_no_nonce(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    kid = await gate.register(key)
    nonce = gate.nonces.make()
    forged = gate.signed(ec.generate_private_key(ec.SECP256R1()), "/new-order", kid=kid, nonce=nonce)
    with pytest.raises(Problem, match="does not hold"):
        await gate.callers.identify(forged, "/new-order")
    assert await gate.callers.identify(gate.signed(key, "/new-order", kid=kid, nonce=nonce), "/new-order")


@pytest.mark.parametrize("kid", [f"{BASE}/account/nobody", "https://other.example.org/acme/account/1", "x"])
async def test_an_unknown_account_is_told(gate: Gate, key: ec.EllipticCurvePrivateKey, kid: str) -> None:
    with pytest.raises(Problem) as caught:
        await gate.callers.identify(gate.signed(key, "/new-order", kid=kid), "/new-order")
    assert caught.value.kind is Kind.ACCOUNT_DOES_NOT_EXIST


async def test_an_account_that_orders_nothing_ends(gate: Gate, key: ec.EllipticCurvePrivateKey) -> None:
    kid = await gate.register(key)
    gate.office.clock.now += HOUR
    with pytest.raises(Problem) as caught:
        await gate.callers.identify(gate.signed(key, "/new-order", kid=kid), "/new-order")
    assert caught.value.kind is Kind.ACCOUNT_DOES_NOT_EXIST


async def test_a_key_where_an_account_belongs_and_the_other_way_round(
    gate: Gate, key: ec.EllipticCurvePrivateKey
) -> None:
    kid = await gate.register(key)
    with pytest.raises(Problem, match="must have kid"):
        await gate.callers.identify(gate.signed(key, "/new-order"), "/new-order")
    with pytest.raises(Problem, match="must have jwk"):
        await gate.callers.register(gate.signed(key, "/new-account", {}, kid=kid), "/new-account")


async def test_new_accounts_are_bounded(
    gate: Gate, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "NEW_AT_MOST", 1)
    await gate.register(key)
    with pytest.raises(Problem) as caught:
        await gate.register(ec.generate_private_key(ec.SECP256R1()))
    assert caught.value.kind is Kind.RATE_LIMITED
    assert await gate.register(key), "who has one is not counted"
    gate.office.clock.now += callers.WINDOW
    assert await gate.register(ec.generate_private_key(ec.SECP256R1()))


def test_a_public_key_is_written_as_rfc_7518_has_it(key: ec.EllipticCurvePrivateKey) -> None:
    jwk = jwk_of(key)
    assert sorted(jwk) == ["crv", "kty", "x", "y"]
    assert len(jwk["x"]) == len(jwk["y"]) == 43
