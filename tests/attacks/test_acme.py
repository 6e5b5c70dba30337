"""Certificates by ACME: an account is anybody's, an order its account's, an attestation its challenge's, a key its own.

RFC 8555; draft-acme-device-attest-01; Apple: "Managed Device Attestation".
"""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec

from attacks.scene import Scene
from corral.apple.installed_profile import ScepIdentity, read_enrollment_profile
from corral.simulator import attesting
from corral.simulator.acme_signing import b64, jwk_of, sign_request
from corral.simulator.attesting import AttestationServer, attestation_object, attestation_server
from corral.simulator.fetching import InstallationFailed, fetch_profile, open_profile
from corral.simulator.obtaining import obtain_identity
from corral.simulator.transport import Response
from corral.store.acme import MOST_ORDERS
from e2e.acme_by_hand import AcmeByHand, csr, problem
from e2e.installation import Template, installation

DAY = timedelta(days=1)
BY_ACME = {"CORRAL_IDENTITY_ENROLLMENT": "acme", "CORRAL_ATTESTATION": "required"}
ASKED = ("acme_account", "acme_order", "acme_nonce")
"""What every request leaves behind, for an hour or a day."""
REFUSED = ("certificate.refused",)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(template: Template, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Scene]:
    """Every key must be attested."""
    async with installation(template, tmp_path_factory.mktemp("acme"), BY_ACME) as at:
        yield await Scene.of(at)


@pytest.fixture
def attacker(scene: Scene) -> AcmeByHand:
    return AcmeByHand(scene.at, scene.at.device())


def fresh() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def refused(answer: Response, status: int, kind: str) -> None:
    assert (answer.status, problem(answer)) == (status, kind), answer.body
    assert "www-authenticate" not in answer.headers


def failed(challenge: Any, why: str) -> None:
    assert challenge["status"] == "invalid"
    assert challenge["error"]["type"] == "urn:ietf:params:acme:error:badAttestationStatement"
    assert challenge["error"]["detail"] == why


async def test_a_request_that_is_sent_again_is_refused(scene: Scene, attacker: AcmeByHand) -> None:
    await attacker.begin()
    url = f"{scene.at.url}/acme/new-order"
    body = sign_request(attacker.account_key, url, await attacker.nonce(), {"identifiers": []}, kid=attacker.kid)
    async with scene.unharmed(changes=ASKED):
        refused(await attacker.send(url, body), 400, "malformed")
        refused(await attacker.send(url, body), 400, "badNonce")


async def test_a_nonce_that_was_made_elsewhere_is_none(scene: Scene, attacker: AcmeByHand) -> None:
    await attacker.begin()
    url, true = f"{scene.at.url}/acme/new-order", await attacker.nonce()
    asked = {"identifiers": [{"type": "permanent-identifier", "value": attacker.identifier}]}
    async with scene.unharmed():
        for nonce in ("", "x", true[:-1], true[::-1], "A" * len(true), true + "A", "\u00e4"):
            body = sign_request(attacker.account_key, url, nonce, asked, kid=attacker.kid)
            refused(await attacker.send(url, body), 400, "badNonce")


async def test_a_request_for_another_address_is_refused(scene: Scene, attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    elsewhere = order["finalize"].replace("/finalize/", "/certificate/")
    body = sign_request(attacker.account_key, elsewhere, await attacker.nonce(), None, kid=attacker.kid)
    async with scene.unharmed():
        refused(await attacker.send(order["finalize"], body), 403, "unauthorized")


async def test_an_order_of_another_account_cannot_be_seen_or_finalized(scene: Scene, attacker: AcmeByHand) -> None:
    order, key = await attacker.begin(), fresh()
    assert (await attacker.prove(order, key))["status"] == "valid"
    thief = AcmeByHand(scene.at, attacker.device)
    await thief.register()
    challenge = order["authorizations"][0].replace("authorization", "challenge")
    certificate = order["finalize"].replace("finalize", "certificate")
    itself = order["finalize"].replace("finalize", "order")
    async with scene.unharmed(changes=ASKED):
        for url in (*order["authorizations"], challenge, order["finalize"], certificate, itself):
            refused(await thief.post(url, {"csr": csr(key)}), 404, "malformed")


async def test_a_request_under_the_account_of_another_is_not_believed(scene: Scene, attacker: AcmeByHand) -> None:
    """The key authorization is of the account: its URL, with a key that is not its own."""
    order, stranger = await attacker.begin(), ec.generate_private_key(ec.SECP256R1())
    url = order["finalize"]
    asked = {"csr": csr(fresh())}
    async with scene.unharmed():
        for kid in (attacker.kid, f"{scene.at.url}/acme/account/unknown", "https://elsewhere.example/acme/account/1"):
            body = sign_request(stranger, url, await attacker.nonce(), asked, kid=kid)
            answer = await attacker.send(url, body)
            assert (answer.status, problem(answer) in ("malformed", "accountDoesNotExist")) == (400, True)


async def test_a_signature_by_a_public_key_or_by_none_is_no_signature(scene: Scene, attacker: AcmeByHand) -> None:
    """`alg: none`, and HS256 with what everybody knows as its secret."""
    await attacker.begin()
    url = f"{scene.at.url}/acme/new-order"
    async with scene.unharmed():
        for algorithm in ("none", "HS256", "ES256K", ""):
            head = {"alg": algorithm, "nonce": await attacker.nonce(), "url": url, "kid": attacker.kid}
            protected, payload = b64(json.dumps(head).encode()), b64(b"{}")
            body = json.dumps({"protected": protected, "payload": payload, "signature": ""}).encode()
            refused(await attacker.send(url, body), 400, "badSignatureAlgorithm")
        both = {"alg": "ES256", "nonce": await attacker.nonce(), "url": url, "kid": attacker.kid}
        both["jwk"] = jwk_of(attacker.account_key)  # pyright: ignore[reportArgumentType] - that is the point
        body = json.dumps({"protected": b64(json.dumps(both).encode()), "payload": "", "signature": "AA"}).encode()
        refused(await attacker.send(url, body), 400, "malformed")


async def test_the_attestation_for_another_challenge_is_refused(scene: Scene, attacker: AcmeByHand) -> None:
    """Fresh once, for another order: a device attests a key as often as it is asked, and somebody kept one."""
    order = await attacker.begin()
    other = await attacker.challenge(await attacker.order())
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        challenge = await attacker.prove(order, fresh(), other["token"])
        failed(challenge, "the attestation was made for another challenge")


async def test_an_attestation_without_a_chain_proves_nothing(scene: Scene, attacker: AcmeByHand) -> None:
    needed = "this enrollment needs an attestation of the device"
    await attacker.begin()
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        for statement, why in (
            ({"attObj": b64(attestation_object(()))}, needed),
            ({}, needed),
            ({"attObj": ""}, needed),
            ({"attObj": "!"}, "attObj is no base64url without padding"),
            ({"attObj": b64(b"\xa0")}, "the attestation has no fmt and attStmt"),
            ({"attObj": b64(b"\xff" * 100)}, "the attestation is no CBOR that can be read"),
        ):
            order = await attacker.order()
            url = (await attacker.challenge(order))["url"]
            failed(json.loads((await attacker.post(url, statement)).body), why)
            refused(await attacker.post(order["finalize"], {"csr": csr(fresh())}), 403, "orderNotReady")


async def test_an_attestation_of_a_foreign_root_enrolls_no_device(scene: Scene) -> None:
    device, link = scene.at.device(), await scene.at.link()
    device.world = replace(device.world, attester=attestation_server(datetime.now(UTC)))
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        with pytest.raises(InstallationFailed, match=r"no trusted authority|did not sign"):
            await device.enroll(link)


async def test_an_attestation_whose_certificate_is_over_enrolls_no_device(scene: Scene) -> None:
    device, link, honest = scene.at.device(), await scene.at.link(), scene.at.template.attester
    device.world = replace(device.world, attester=Late(honest.root, honest.between, honest.key))
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        with pytest.raises(InstallationFailed, match="a certificate of its chain has expired"):
            await device.enroll(link)


class Late(AttestationServer):
    """Has vouched for the key a week ago, for a day."""

    def attest(
        self, key: ec.EllipticCurvePublicKey, said: Mapping[str, bytes], now: datetime, *, valid: timedelta = DAY
    ) -> tuple[bytes, ...]:
        return super().attest(key, said, now - 7 * DAY, valid=valid)


async def test_a_key_that_was_not_attested_is_not_certified(scene: Scene, attacker: AcmeByHand) -> None:
    order = await attacker.begin()
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        assert (await attacker.prove(order, fresh()))["status"] == "valid"
        refused(await attacker.post(order["finalize"], {"csr": csr(fresh())}), 400, "badCSR")
        refused(
            await attacker.post(order["finalize"], {"csr": csr(ec.generate_private_key(ec.SECP256R1()))}), 400, "badCSR"
        )


async def test_one_order_certifies_one_key_once(scene: Scene, attacker: AcmeByHand) -> None:
    order, key = await attacker.begin(), fresh()
    assert (await attacker.prove(order, key))["status"] == "valid"
    first = json.loads((await attacker.post(order["finalize"], {"csr": csr(key)})).body)
    assert first["status"] == "valid"
    async with scene.unharmed(changes=ASKED):
        answer = await attacker.post(order["finalize"], {"csr": csr(key)})
        refused(answer, 403, "orderNotReady")


async def test_the_certificate_of_another_device_does_not_connect_this_one(scene: Scene) -> None:
    """A true attestation, but of another device than the one that checks in with the certificate."""
    device, link, honest = scene.at.device(), await scene.at.link(), scene.at.template.attester
    device.world = replace(device.world, attester=OfAnother(honest.root, honest.between, honest.key))
    issued = (*ASKED, "certificate", "enroll_grant")
    async with scene.unharmed("certificate.issued", "connection.refused", changes=issued):
        why = r"403: Not admitted: this enrollment is meant for another serial number\."
        with pytest.raises(InstallationFailed, match=why):
            await device.enroll(link)


class OfAnother(AttestationServer):
    """Vouches for the key as for that of another device."""

    def attest(
        self, key: ec.EllipticCurvePublicKey, said: Mapping[str, bytes], now: datetime, *, valid: timedelta = DAY
    ) -> tuple[bytes, ...]:
        return super().attest(key, {**said, attesting.SERIAL_NUMBER: b"C0FFEE1234"}, now, valid=valid)


async def test_the_secret_of_a_profile_for_acme_is_of_no_use_at_scep(scene: Scene) -> None:
    """Whoever has the profile takes the secret out of it, and shows it as a challenge: no key is attested so."""
    thief, link = scene.at.device(), await scene.at.link()
    raw = await fetch_profile(thief.voice, link, scene.at.trust)
    acme = read_enrollment_profile(open_profile(raw).content).acme
    assert acme is not None
    async with scene.unharmed(perhaps=REFUSED):
        for authority in ("corral", ""):
            wanted = ScepIdentity(f"{scene.at.url}/scep", authority, (("CN", "x"),), acme.client_identifier, 2048)
            with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
                await obtain_identity(thief.voice, wanted, scene.at.trust, await scene.at.world.keys.take())


async def test_an_identifier_that_no_profile_has_gets_no_order(scene: Scene, attacker: AcmeByHand) -> None:
    await attacker.begin()
    true = attacker.identifier
    async with scene.unharmed(changes=ASKED, perhaps=REFUSED):
        for kind, value, status, why in (
            ("permanent-identifier", "guessed", 403, "rejectedIdentifier"),
            ("permanent-identifier", true[:-1], 403, "rejectedIdentifier"),
            ("permanent-identifier", scene.owner.facts.serial_number, 403, "rejectedIdentifier"),
            ("permanent-identifier", "x" * 300, 403, "rejectedIdentifier"),
            ("dns", "mdm.example.org", 400, "unsupportedIdentifier"),
        ):
            asked = {"identifiers": [{"type": kind, "value": value}]}
            refused(await attacker.post("new-order", asked), status, why)
        two = [{"type": "permanent-identifier", "value": true}] * 2
        refused(await attacker.post("new-order", {"identifiers": two}), 400, "malformed")


async def test_an_account_cannot_order_for_ever(scene: Scene, attacker: AcmeByHand) -> None:
    await attacker.begin()
    asked = {"identifiers": [{"type": "permanent-identifier", "value": attacker.identifier}]}
    async with scene.unharmed(changes=ASKED):
        answers = [await attacker.post("new-order", asked) for _ in range(MOST_ORDERS + 5)]
        assert [each.status for each in answers] == [201] * (MOST_ORDERS - 1) + [429] * 6
        assert answers[-1].headers["retry-after"] == "30"


async def test_a_body_that_is_no_signed_request_is_nobodys(scene: Scene, attacker: AcmeByHand) -> None:
    url = f"{scene.at.url}/acme/new-account"
    deep = b'{"protected":' * 5000
    async with scene.unharmed():
        for body in (b"", b"{}", b"[]", b"null", deep, b'{"protected":"","payload":"","signature":"","header":{}}'):
            refused(await attacker.send(url, body), 400, "malformed")
        refused(await attacker.send(url, b" " * (128 * 1024 + 1)), 413, "malformed")
        unlike = await scene.at.transport.request("POST", url, body=b"{}", trust=scene.at.trust)
        refused(unlike, 415, "malformed")
