"""Certificates by SCEP: nothing but a grant gets one, and of the request nothing but its key."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from attacks.forging import copied
from attacks.scene import CLONE, UNKNOWN, Scene, refused
from attacks.scep_by_hand import ScepByHand, challenge_of, csr, wanted
from corral.pki import scep
from corral.pki.authority import connection_of
from corral.pki.scep import FailInfo, MessageType
from corral.simulator.fetching import fetch_profile
from e2e import wire
from e2e.messages import enrollment_of, report, update_token

NO = scep.Refused(FailInfo.BAD_REQUEST)


async def test_a_challenge_that_was_used_gets_nobody_else_a_certificate(scene: Scene) -> None:
    """Whoever has read the profile of a device that is enrolled by now."""
    device = scene.at.device()
    raw = await fetch_profile(device.voice, await scene.at.link(), scene.at.trust)
    await device.enroll(raw)
    key = await device.world.keys.take()
    async with scene.unharmed("certificate.refused"):
        assert await ScepByHand(scene.at, key).ask(csr(key, wanted(raw).challenge)) == NO


async def test_a_challenge_that_was_made_up_gets_no_certificate(scene: Scene) -> None:
    true = await challenge_of(scene.owner, await scene.at.link())
    body, _, mac = true.rpartition(".")
    kind, link, nonce, kept = body.split(".")
    life = (await scene.at.life(scene.owner))["id"]
    key = await scene.owner.world.keys.take()
    async with scene.unharmed(perhaps=["certificate.refused"]):
        for challenge in (
            None, "", "x", "guessed-guessed-guessed", body, f"{body}.", f"{body}.{mac[:-1]}", f"{body}x.{mac}",
            f"{kind}.{link}.{'0' * len(nonce)}.{kept}.{mac}", f"g.{life}..{mac}", f"g.{nonce}..{mac}", "\u00e4" * 200,
        ):  # fmt: skip
            assert await ScepByHand(scene.at, key).ask(csr(key, challenge)) == NO, challenge


async def test_the_challenge_of_one_link_is_none_of_another(scene: Scene) -> None:
    """Each part is true, and together they are nothing."""
    one = await challenge_of(scene.owner, await scene.at.link())
    other = await challenge_of(scene.owner, await scene.at.link())
    key = await scene.owner.world.keys.take()
    mixed = [*one.split(".")[:2], *other.split(".")[2:]]
    async with scene.unharmed(perhaps=["certificate.refused"]):
        assert await ScepByHand(scene.at, key).ask(csr(key, ".".join(mixed))) == NO


async def test_a_request_cannot_choose_whose_certificate_it_gets(scene: Scene) -> None:
    """It asks for the subject and the alternative name of the owner's; it gets those of its own grant."""
    thief, key = scene.at.device(), await scene.owner.world.keys.take()
    its = enrollment_of(scene.owner).identity.parsed
    (name,) = its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    life = (await scene.at.life(scene.owner))["id"]
    challenge = await challenge_of(thief, await scene.at.link())
    request = csr(key, challenge, name=its.subject.rfc4514_string().removeprefix("CN="), alternative=name)
    async with scene.unharmed("certificate.issued", changes={"certificate", "enroll_grant", "granted"}):
        identity = await ScepByHand(scene.at, key).identity(request, key)
        assert connection_of(identity.certificate) not in (None, life)
        assert identity.parsed.subject != its.subject
        stolen = replace(enrollment_of(scene.owner), identity=identity)
        for say in (report, update_token):
            refused(await say(thief, enrollment=stolen), 400, UNKNOWN)


async def test_a_renewal_is_of_the_connection_whose_certificate_signs_it(scene: Scene) -> None:
    """RenewalReq, signed by a device with its own certificate, that asks in its request for the owner's."""
    thief, key = await scene.at.enrolled(), await scene.owner.world.keys.take()
    own, its = enrollment_of(thief).identity, enrollment_of(scene.owner).identity.parsed
    assert isinstance(own.key, rsa.RSAPrivateKey)
    (name,) = its.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    request = csr(key, name=its.subject.rfc4514_string().removeprefix("CN="), alternative=name)
    client = ScepByHand(scene.at, own.key, own.parsed)
    renewed = {"connection", "device", "certificate", "enroll_grant", "granted"}
    async with scene.unharmed(
        "certificate.issued", "connection.clone-refused", "connection.renewal-asked", changes=renewed
    ):
        identity = await client.identity(request, key, MessageType.RENEWAL_REQ)
        assert connection_of(identity.certificate) == (await scene.at.life(thief))["id"]
        stolen = replace(enrollment_of(scene.owner), identity=identity)
        for say in (report, update_token):
            refused(await say(thief, enrollment=stolen), 403, CLONE)


async def test_a_renewal_that_is_signed_by_a_copy_of_a_certificate_gets_none(scene: Scene) -> None:
    key = await scene.owner.world.keys.take()
    forged = copied(enrollment_of(scene.owner).identity.parsed, key)
    async with scene.unharmed(perhaps=["certificate.refused"]):
        client = ScepByHand(scene.at, key, forged.parsed)
        assert await client.ask(csr(key), MessageType.RENEWAL_REQ) == NO
        assert await ScepByHand(scene.at, key).ask(csr(key), MessageType.RENEWAL_REQ) == NO, "nor by one of its own"


async def test_a_renewal_with_the_certificate_of_another_beside_the_signature_gets_none(scene: Scene) -> None:
    """The owner's certificate is named as the signer's; the signature is the thief's."""
    key = await scene.owner.world.keys.take()
    async with scene.unharmed():
        client = ScepByHand(scene.at, key, enrollment_of(scene.owner).identity.parsed)
        refusal = await client.ask(csr(key), MessageType.RENEWAL_REQ)
        assert refusal == scep.Refused(FailInfo.BAD_MESSAGE_CHECK)


async def test_a_revoked_certificate_renews_nothing(scene: Scene) -> None:
    device, key = await scene.at.enrolled(), await scene.owner.world.keys.take()
    own = enrollment_of(device).identity
    assert isinstance(own.key, rsa.RSAPrivateKey)
    await scene.at.post(f"/devices/{device.facts.udid}/revoke-certificate", reason="the key was copied")
    async with scene.unharmed(perhaps=["certificate.refused"]):
        assert await ScepByHand(scene.at, own.key, own.parsed).ask(csr(key), MessageType.RENEWAL_REQ) == NO


async def test_a_blocked_device_renews_nothing(scene: Scene) -> None:
    device, key = await scene.at.enrolled(), await scene.owner.world.keys.take()
    own = enrollment_of(device).identity
    assert isinstance(own.key, rsa.RSAPrivateKey)
    await scene.at.post(f"/devices/{device.facts.udid}/block")
    async with scene.unharmed(perhaps=["certificate.refused"]):
        assert await ScepByHand(scene.at, own.key, own.parsed).ask(csr(key), MessageType.RENEWAL_REQ) == NO


async def test_a_first_request_is_signed_by_the_key_that_it_is_for(scene: Scene) -> None:
    """Somebody else's key in a request of one's own: nobody gets a certificate for a key that he does not hold."""
    mine, other = await scene.owner.world.keys.take(), await scene.owner.world.keys.take()
    request = csr(other, await challenge_of(scene.owner, await scene.at.link()))
    async with scene.unharmed():
        assert await ScepByHand(scene.at, mine).ask(request) == NO


@pytest.mark.parametrize("kind", ["20", "21", "22", "3", "1", "", "019"])
async def test_no_other_message_of_the_protocol_gets_a_certificate(scene: Scene, kind: str) -> None:
    """CertPoll, GetCert, GetCRL and what has no name: types that nobody thought of let anybody in elsewhere."""
    key = await scene.owner.world.keys.take()
    request = csr(key, await challenge_of(scene.owner, await scene.at.link()))
    async with scene.unharmed():
        assert await ScepByHand(scene.at, key).ask(request, kind) == NO


async def test_a_request_that_is_sent_again_gets_the_same_certificate_and_no_second(scene: Scene) -> None:
    """Recorded, and sent by somebody else: it is enclosed for the key of the device, and changes nothing."""
    device, key = scene.at.device(), await scene.owner.world.keys.take()
    client = ScepByHand(scene.at, key)
    identity = await client.identity(csr(key, await challenge_of(device, await scene.at.link())), key)
    async with scene.unharmed():
        again = await client.post(client.messages[0])
        assert again.status == 200
        assert identity.certificate not in again.body, "enclosed"


async def test_a_device_that_retries_for_ever_gets_four_keys_certified(scene: Scene) -> None:
    device = scene.at.device()
    challenge = await challenge_of(device, await scene.at.link())
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(6)]
    issued = {"certificate", "enroll_grant", "granted"}
    async with scene.unharmed("certificate.issued", "certificate.revoked", "certificate.refused", changes=issued):
        answers = [type(await ScepByHand(scene.at, key).ask(csr(key, challenge))) for key in keys]
        assert answers == [scep.Issued] * 4 + [scep.Refused] * 2


@pytest.mark.parametrize("size", [0, 1, 100, 16_000])
async def test_rubbish_is_no_message(scene: Scene, size: int) -> None:
    async with scene.unharmed():
        client = ScepByHand(scene.at, await scene.owner.world.keys.take())
        for body in (b"A" * size, b"\x30\x80" * (size // 2), bytes(size)):
            answer = await client.post(body)
            assert answer.status == 400
            assert answer.body.startswith(b"SCEP: SCEP message: unreadable SignedData: "), answer.body
        for message in (b"A" * size, b"%30%80" * (size // 6), b"%ff" * (size // 3), b"%"):
            head = b"GET /scep?operation=PKIOperation&message=" + message + b" HTTP/1.1\r\nHost: x\r\n\r\n"
            assert (await wire.raw(scene.at, head)).status == 400


async def test_strangers_cannot_keep_the_authoritys_key_busy(scene: Scene) -> None:
    """Many requests at once, each true in form: what is beyond the bound is sent away at once, and devices are served
    meanwhile."""
    key = await scene.owner.world.keys.take()
    client = ScepByHand(scene.at, key)
    async with scene.unharmed(perhaps=["certificate.refused"]):
        await client.ask(csr(key, "guessed"))
        (message,) = client.messages
        flood = [asyncio.create_task(_answer(scene, message)) for _ in range(200)]
        assert (await report(scene.owner)).status == 200
        answers = Counter(await asyncio.gather(*flood))
        assert set(answers) == {(200, None), (503, "30")}, answers
        assert await client.ask(csr(key, "guessed")) == NO


async def _answer(scene: Scene, message: bytes) -> tuple[int, str | None]:
    head = b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(message)
    answer = await wire.raw(scene.at, head + message, seconds=60)
    return answer.status, answer.headers.get("retry-after")
