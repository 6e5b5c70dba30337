"""Where devices sign: a signature is good for the bytes that it is over, by the key that it is of."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from attacks.forging import claiming, copied
from attacks.scene import CLONE, Scene, refused
from corral.pki import cms, scep
from corral.simulator.device import Device
from corral.simulator.identity import Identity, ProxyHeader, Signed
from corral.simulator.transport import Response
from e2e.messages import authenticate, enrollment_of, report, update_token
from pki.test_device_signature import with_two_signers

CHECK_IN = ("Content-Type", "application/x-apple-aspen-mdm-checkin")


async def put(scene: Scene, body: bytes, *headers: tuple[str, str], path: str = "/mdm") -> Response:
    return await scene.at.transport.request(
        "PUT", f"{scene.at.url}{path}", headers=headers, body=body, trust=scene.at.trust
    )


def signed(device: Device, body: bytes, proof: Signed | None = None) -> tuple[tuple[str, str], ...]:
    return enrollment_of(device).identity.prove(proof or Signed(), body, datetime.now(UTC), signs_time=True)


def header(signature: bytes) -> tuple[str, str]:
    return "Mdm-Signature", base64.b64encode(signature).decode()


async def test_a_signature_over_another_body_is_no_signature(scene: Scene) -> None:
    """A signature that somebody saw, over what he would rather have said."""
    channel = enrollment_of(scene.owner).device
    leave = channel.message(MessageType="CheckOut")
    digest = "Not identified: Mdm-Signature: the content is not the one that was signed: its digest differs."
    bare = "Not identified: Mdm-Signature: the signature does not fit the content and the signer's key."
    async with scene.unharmed():
        for proof, why in ((Signed(), digest), (Signed(attributes=False, signing_time=False), bare)):
            for body in (leave, channel.idle + b" ", channel.idle[:-1], b""):
                refused(await put(scene, body, *signed(scene.owner, channel.idle, proof), CHECK_IN), 400, why)


async def test_a_signature_by_another_key_is_no_signature_of_the_certificate_beside_it(scene: Scene) -> None:
    identity, key = enrollment_of(scene.owner).identity, await scene.owner.world.keys.take()
    thief = await scene.at.enrolled()
    own = enrollment_of(thief).identity
    assert isinstance(own.key, rsa.RSAPrivateKey)
    idle = enrollment_of(scene.owner).device.idle
    why = "Not identified: Mdm-Signature: the signature does not fit the content and the signer's key."
    async with scene.unharmed():
        for stolen in (key, own.key):
            made = cms.sign(idle, identity.parsed, stolen, detached=True)
            refused(await put(scene, idle, header(made)), 400, why)


async def test_a_certificate_that_only_came_along_speaks_for_nobody(scene: Scene) -> None:
    """The signer is the thief; the owner's certificate is in the message as well."""
    thief = await scene.at.enrolled()
    own, its = enrollment_of(thief).identity, enrollment_of(scene.owner).identity
    body = claiming(thief, scene.owner).device.idle
    async with scene.unharmed("connection.clone-refused"):
        for chain in ((its.parsed,), (its.parsed, own.parsed)):
            made = cms.sign(body, own.parsed, own.key, chain=chain, detached=True)
            refused(await put(scene, body, header(made)), 403, CLONE)


async def test_a_copy_of_the_certificate_before_the_true_one_changes_nothing(scene: Scene) -> None:
    """Two certificates of the same issuer and serial number: the first that the signer names is the thief's."""
    its, key = enrollment_of(scene.owner).identity, await scene.owner.world.keys.take()
    forged = copied(its.parsed, key)
    idle = enrollment_of(scene.owner).device.idle
    made = cms.sign(idle, forged.parsed, key, chain=(its.parsed,), detached=True)
    async with scene.unharmed():
        refused(
            await put(scene, idle, header(made)),
            400,
            "Not identified: the certificate bears the name of an authority that did not sign it.",
        )


async def test_a_recorded_poll_is_no_check_in(scene: Scene) -> None:
    """The same signature at the other address, or under the other type."""
    idle = enrollment_of(scene.owner).device.idle
    why = "Check-in message not understood: check-in: MessageType must be a string of 1 to 255 printable characters"
    async with scene.unharmed():
        for path, headers in (("/checkin", ()), ("/mdm", (CHECK_IN,))):
            refused(await put(scene, idle, *signed(scene.owner, idle), *headers, path=path), 400, why)


async def test_a_recorded_check_in_is_no_report(scene: Scene) -> None:
    channel = enrollment_of(scene.owner).device
    leave = channel.message(MessageType="CheckOut")
    kind = ("Content-Type", "application/x-apple-aspen-mdm; charset=UTF-8")
    async with scene.unharmed():
        answer = await put(scene, leave, *signed(scene.owner, leave), kind)
        assert answer.status == 400
        assert answer.body.startswith(b"Report not understood: report: Status must be one of ")


async def test_two_signatures_name_nobody(scene: Scene) -> None:
    thief = await scene.at.enrolled()
    idle = enrollment_of(scene.owner).device.idle
    mine, its = signed(thief, idle), signed(scene.owner, idle)
    async with scene.unharmed():
        for headers in ((*mine, *its), (*its, *mine), (*its, *its)):
            refused(await put(scene, idle, *headers), 400, "Not identified: more than one mdm-signature header.")


async def test_a_signature_of_two_signers_names_nobody(scene: Scene) -> None:
    identity, idle = enrollment_of(scene.owner).identity, enrollment_of(scene.owner).device.idle
    made = with_two_signers(cms.sign(idle, identity.parsed, identity.key, detached=True))
    async with scene.unharmed():
        refused(
            await put(scene, idle, header(made)),
            400,
            "Not identified: Mdm-Signature: 2 signers where exactly one is expected.",
        )


async def test_a_message_without_a_signature_is_nobodys(scene: Scene) -> None:
    channel = enrollment_of(scene.owner).device
    leave = channel.message(MessageType="CheckOut")
    async with scene.unharmed():
        for path, body in (("/mdm", channel.idle), ("/mdm", leave), ("/checkin", leave)):
            refused(await put(scene, body, path=path), 400, "Not identified: no mdm-signature header.")


async def test_a_certificate_in_a_header_says_nothing_where_devices_sign(scene: Scene) -> None:
    thief = await scene.at.enrolled()
    its = ("Client-Cert", ProxyHeader().value(enrollment_of(scene.owner).identity.parsed))
    body = claiming(thief, scene.owner).device.idle
    async with scene.unharmed("connection.clone-refused"):
        refused(await put(scene, body, its), 400, "Not identified: no mdm-signature header.")
        refused(await put(scene, body, its, *signed(thief, body)), 403, CLONE)


async def test_a_signature_that_carries_other_content_is_refused(scene: Scene) -> None:
    """It holds for what it carries, and the body beside it says something else."""
    identity, channel = enrollment_of(scene.owner).identity, enrollment_of(scene.owner).device
    carrying = cms.sign(channel.idle, identity.parsed, identity.key)
    leave = channel.message(MessageType="CheckOut")
    async with scene.unharmed():
        refused(
            await put(scene, leave, header(carrying), CHECK_IN),
            400,
            "Not identified: Mdm-Signature: the signature carries other content than what it came with.",
        )


async def test_a_thief_cannot_sign_in_the_place_of_a_signature_that_was_seen_before(scene: Scene) -> None:
    """Signatures of one signer are alike and read by their likeness: what changes between them is still checked."""
    idle, thief = enrollment_of(scene.owner).device.idle, await scene.at.enrolled()
    ((name, known),) = signed(scene.owner, idle)
    assert (await put(scene, idle, (name, known))).status == 200
    true = base64.b64decode(known)
    other = cms.sign(idle, enrollment_of(thief).identity.parsed, enrollment_of(thief).identity.key, detached=True)
    value = other[-256:]
    leave = enrollment_of(scene.owner).device.message(MessageType="CheckOut")
    async with scene.unharmed():
        forgeries = [true[:-256] + value, true[:-1] + bytes([true[-1] ^ 1])]
        for forged, body in [(each, idle) for each in forgeries] + [(true, leave)]:
            answer = await put(scene, body, header(forged), CHECK_IN)
            assert answer.status == 400
            assert answer.body.startswith(b"Not identified: Mdm-Signature: ")


async def test_a_makeshift_identity_with_the_names_of_a_device_is_nobodys(scene: Scene) -> None:
    """A Mac to which another's management was copied without its key; or whoever would like to be taken for one."""
    key = await scene.owner.world.keys.take()
    forged = replace(enrollment_of(scene.owner), identity=_selfmade(enrollment_of(scene.owner).identity, key))
    async with scene.unharmed():
        for answer in (
            await report(scene.owner, enrollment=forged),
            await authenticate(scene.owner, forged),
            await update_token(scene.owner, forged),
        ):
            refused(answer, 400, "Not identified: no trusted authority issued the certificate.")


def _selfmade(like: Identity, key: rsa.RSAPrivateKey) -> Identity:
    name = like.parsed.subject.rfc4514_string().removeprefix("CN=")
    return Identity(scep.build_signer(key, name, datetime.now(UTC)).public_bytes(Encoding.DER), key)
