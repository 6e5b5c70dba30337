"""Who a request is from: by signature, by a proxy's header, by TLS; and by no other way on the same listener."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from corral.pki.authority import issue_identity, read_authority
from corral.simulator.device import Device, State
from corral.simulator.identity import Identity, ProxyHeader, Signed, TlsCertificate
from corral.simulator.installing import authentication
from corral.simulator.transport import Response, Unreachable
from e2e.authorities import ForeignAuthority, Key, openssl_signature, under
from e2e.conftest import Start
from e2e.factory import ruled
from e2e.installation import TOPIC, Installation, opened
from e2e.messages import authenticate, draft, enrollment_of, is_plain_403, report, update_token

TRUSTED = "CORRAL_ADMISSION", "trusted-identity"


async def put(at: Installation, body: bytes, *headers: tuple[str, str], path: str = "/mdm") -> Response:
    return await at.transport.request("PUT", f"{at.url}{path}", headers=headers, body=body, trust=at.trust)


@pytest.mark.parametrize(
    "signed",
    [
        Signed(digest="sha1"),
        Signed(digest="sha1", indefinite=True, attributes=False),
        Signed(digest="sha256", indefinite=True),
        Signed(digest="sha512", attributes=False),
        Signed(signing_time=True),
    ],
    ids=str,
)
async def test_a_device_may_sign_in_all_the_ways_that_devices_do(corral: Installation, signed: Signed) -> None:
    device = await corral.enrolled(signature=signed)
    await corral.send(device, "ProfileList")
    await device.poll()
    assert device.complaints == []
    assert (await corral.get(f"/devices/{device.facts.udid}"))["open_commands"] == 0


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
async def test_a_device_that_signs_with_openssl_enrolls_and_polls(start: Start, tmp_path: Path, kind: str) -> None:
    authority = ForeignAuthority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    at = await start({"CORRAL_AUTHORITIES": f"acme={tmp_path / 'ca.pem'}", TRUSTED[0]: TRUSTED[1]})
    device = at.device()
    rsa_key = await device.world.keys.take()
    key: Key = rsa_key if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    certificate = authority.issue(key)
    enrollment = await under(device, at, certificate, rsa_key)
    channel, idle = enrollment.device, enrollment.device.idle

    async def say(body: bytes, *options: str, path: str = "/mdm", said: bytes | None = None) -> Response:
        shown = await asyncio.to_thread(openssl_signature, tmp_path, certificate, key, body, *options)
        return await put(at, said or body, ("Mdm-Signature", shown), path=path)

    begin = channel.message(**authentication(device.facts, enrollment.profile))
    token = channel.message(MessageType="TokenUpdate", Topic=TOPIC, PushMagic=channel.magic, Token=channel.token)
    assert (await say(begin, "-md", "sha256", path="/checkin")).status == 200
    assert (await say(token, "-md", "sha1", path="/checkin")).status == 200
    sent = await at.send(device, "ProfileList")
    for options in (("-md", "sha1"), ("-md", "sha256", "-noattr"), ("-md", "sha384"), ("-stream", "-indef")):
        answer = await say(idle, *options)
        assert (answer.status, sent.encode() in answer.body) == (200, True), answer.body
        forged = await say(idle, *options, said=idle + b"\n")
        assert forged.status == 400
        assert forged.body.startswith(b"Not identified: Mdm-Signature: "), forged.body


@pytest.mark.parametrize("minutes", [-4, 4])
async def test_a_clock_may_be_off_by_minutes(corral: Installation, minutes: int) -> None:
    device = await corral.enrolled(clock_skew=timedelta(minutes=minutes))
    assert device.state is State.ENROLLED


async def test_a_header_is_believed_from_the_proxy_alone(start: Start) -> None:
    at = await start({"CORRAL_IDENTITY": "header", "CORRAL_PROXY": "127.0.0.1"})
    for form in ("rfc9440", "escaped-pem"):
        device = await at.enrolled(proof=ProxyHeader(form=form))
        assert (await report(device)).status == 200
    value = ProxyHeader().value(enrollment_of(device).identity.parsed)
    idle = enrollment_of(device).device.idle
    assert (await put(at, idle, ("client-CERT", value))).status == 200
    for headers in (
        (),
        (("Client-Cert", value), ("Client-Cert", value)),
        (("Client-Cert", value), ("client-cert", value.swapcase())),
        (("Client-Cert", f"{value}, {value}"),),
        (("Client-Cert", value[:-1]),),
        (("Client-Cert", value[:-30] + ":"),),
        (("X-Client-Cert", value),),
        enrollment_of(device).identity.prove(Signed(), idle, datetime.now(UTC), signs_time=True),
    ):
        assert (await put(at, idle, *headers)).status == 400, headers
    forged = await from_elsewhere(at, idle, f"Client-Cert: {value}\r\nX-Forwarded-For: 127.0.0.1\r\n")
    assert forged.startswith(b"HTTP/1.1 400 ")
    assert b"only from the proxy" in forged


async def from_elsewhere(at: Installation, body: bytes, headers: str) -> bytes:
    """A request of another address of this machine."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        int(at.url.rpartition(":")[2]),
        ssl=at.tls,
        server_hostname="127.0.0.1",
        local_addr=("127.0.0.2", 0),
    )
    head = f"PUT /mdm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_header_without_its_key_is_worth_nothing_where_devices_sign(corral: Installation) -> None:
    device = await corral.enrolled()
    identity = enrollment_of(device).identity
    shown = ("Client-Cert", ProxyHeader().value(identity.parsed))
    assert (await put(corral, enrollment_of(device).device.idle, shown)).status == 400


async def test_a_client_certificate_of_the_tls_connection_is_enough(start: Start) -> None:
    at = await start({"CORRAL_IDENTITY": "tls"})
    device, other = await at.enrolled(proof=TlsCertificate()), await at.enrolled(proof=TlsCertificate())
    await at.send(device, "ProfileList")
    await device.poll()
    assert (await at.get(f"/devices/{device.facts.udid}"))["open_commands"] == 0
    assert is_plain_403(await report(other, enrollment=enrollment_of(device).on(other.facts.udid)))
    idle = enrollment_of(device).device.idle
    signed = enrollment_of(device).identity.prove(Signed(), idle, datetime.now(UTC), signs_time=True)
    for headers in ((), signed, (("Client-Cert", ProxyHeader().value(enrollment_of(device).identity.parsed)),)):
        assert (await put(at, idle, *headers)).status == 400
    key = await device.world.keys.take()
    stranger = Identity(ForeignAuthority().issue(key), key)
    with pytest.raises(Unreachable):
        await report(device, enrollment=replace(enrollment_of(device), identity=stranger))


async def test_an_expired_client_certificate_still_gets_through_tls(start: Start) -> None:
    at = await start({"CORRAL_IDENTITY": "tls"})
    device = await at.enrolled(proof=TlsCertificate())
    life = (await at.life(device))["id"]
    async with opened(at) as store:
        certificate = await store.vault.get_secret("authority.certificate")
        private = await store.vault.get_secret("authority.key")
    assert certificate is not None
    assert private is not None
    key, now = await device.world.keys.take(), datetime.now(UTC)
    expired = issue_identity(
        read_authority(certificate, private),
        key.public_key(),
        common_name="Device",
        connection=life,
        not_before=now - timedelta(days=400),
        not_after=now - timedelta(days=1),
    )
    await at.service.start()
    await at.send(device, "ProfileList")
    answer = await report(device, enrollment=replace(enrollment_of(device), identity=Identity(expired, key)))
    assert (answer.status, answer.body) == (200, b""), "known, and repaired only"


async def test_another_authority_is_believed_but_admits_nobody(start: Start, tmp_path: Path) -> None:
    authority = ForeignAuthority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    at = await start({"CORRAL_AUTHORITIES": f"acme={tmp_path / 'ca.pem'}"})
    device = at.device()
    key = await device.world.keys.take()
    enrollment = await under(device, at, authority.issue(key), key)
    assert is_plain_403(await authenticate(device, enrollment))
    assert (await update_token(device, enrollment)).status == 400
    assert (await at.api.get(f"/devices/{device.facts.udid}")).status_code == 404


async def test_a_certificate_of_an_admitted_authority_is_pinned(start: Start, tmp_path: Path) -> None:
    authority = ForeignAuthority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    environment = {"CORRAL_AUTHORITIES": f"acme={tmp_path / 'ca.pem'}", "CORRAL_ON_TAKEOVER": "accept"}
    at = await start({**environment, TRUSTED[0]: TRUSTED[1]})
    device, other = at.device(), at.device()
    key = await device.world.keys.take()
    enrollment = await under(device, at, authority.issue(key), key)
    async with ruled(at, {"when": {"kind": ["trusted-identity"]}, "then": {"do": "decline"}}):
        assert is_plain_403(await authenticate(device, enrollment))
    assert (await authenticate(device, enrollment)).status == 200
    assert (await update_token(device, enrollment)).status == 200
    life = await at.life(device)
    assert (life["phase"], life["admitted_by"]) == ("connected", "authority:acme")
    shown = (await at.get(f"/devices/{device.facts.udid}"))["certificates"]
    assert [(each["authority"], each["purpose"]) for each in shown] == [("acme", "pinned")]
    copied = enrollment.on(other.facts.udid)
    for answer in (await report(other, enrollment=copied), await authenticate(other, copied)):
        assert is_plain_403(answer)
    second = replace(enrollment, identity=Identity(authority.issue(key, "another"), key))
    assert (await report(device, enrollment=second)).status == 400, "a poll pins nothing"
    assert (await authenticate(device, second)).status == 200
    assert (await report(device, enrollment=enrollment)).status == 200, "and an Authenticate unpins nothing"
    assert (await update_token(device, second)).status == 200
    assert [each["end_reason"] for each in await at.lives(device)] == [None, "superseded"]
    own = await at.enrolled()
    assert (await report(own)).status == 200, "beside our own"


async def test_an_own_certificate_for_an_enrollment_that_is_over_renews_nothing(corral: Installation) -> None:
    device: Device = await corral.enrolled()
    await device.leave()
    answer = await authenticate(device)
    assert is_plain_403(answer), "its enrollment has been used"
    fresh = await draft(device, await corral.link())
    assert (await authenticate(device, fresh)).status == 200
