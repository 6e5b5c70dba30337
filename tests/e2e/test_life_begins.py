"""How a connection begins: by a link, with one profile for one device, and whole or not at all."""

import asyncio

import pytest
from cryptography import x509

from corral.apple.plist import parse_dict
from corral.pki import scep
from corral.simulator.fetching import InstallationFailed, open_profile
from corral.simulator.installing import read_profile
from e2e.conftest import DATABASES, Start, over_each
from e2e.installation import Installation, until
from e2e.messages import authenticate, draft, enrollment_of, is_plain_403, report, update_token

corral = pytest.fixture(params=DATABASES)(over_each)


async def test_a_device_connects_is_pushed_and_obeys(corral: Installation) -> None:
    made = await corral.post("/links")
    device = corral.device(quiet=False)
    await device.enroll(made["url"])
    assert await corral.kinds(device) == [
        "certificate.issued",
        "connection.authenticated",
        "connection.connected",
    ]
    assert (await corral.life(device))["phase"] == "connected"
    assert (await corral.get(f"/links/{made['link']['id']}"))["used"] == 1
    sent = await corral.send(device, "DeviceInformation", Queries=["SerialNumber", "OSVersion"])

    async def answered() -> bool:
        return (await corral.outcome(sent))["result"] is not None

    await until(answered)
    result = (await corral.outcome(sent))["result"]
    assert result["status"] == "Acknowledged"
    assert result["result"]["QueryResponses"] == {
        "SerialNumber": device.facts.serial_number,
        "OSVersion": device.facts.os_version,
    }
    assert device.complaints == []


async def test_looking_at_a_link_counts_nothing(corral: Installation) -> None:
    made = await corral.post("/links")
    for _ in range(3):
        await draft(corral.device(), made["url"])
    assert (await corral.get(f"/links/{made['link']['id']}"))["used"] == 0
    await corral.device().enroll(made["url"])
    assert (await corral.get(f"/links/{made['link']['id']}"))["used"] == 1


async def test_a_failed_installation_leaves_the_old_life_whole(corral: Installation) -> None:
    device = await corral.enrolled()
    old = await corral.life(device)
    queued = await corral.send(device, "ProfileList")
    before = enrollment_of(device)
    for _ in range(2):
        fresh = await draft(device, await corral.link())
        assert (await authenticate(device, fresh)).status == 200
    lives = {life["id"]: life["phase"] for life in await corral.lives(device)}
    assert sorted(lives.values()) == ["authenticating", "connected", "ended"]
    assert lives[old["id"]] == "connected"
    assert parse_dict((await report(device, enrollment=before)).body)["CommandUUID"] == queued


async def test_a_new_life_takes_the_place_of_the_old_and_nothing_of_its_queue(corral: Installation) -> None:
    device = await corral.enrolled()
    old, before = await corral.life(device), enrollment_of(device)
    queued = await corral.send(device, "ProfileList")
    fresh = await draft(device, await corral.link(device_id=device.facts.udid))
    await authenticate(device, fresh)
    await update_token(device, fresh)
    new, former = await corral.lives(device)
    assert (former["id"], former["phase"], former["end_reason"]) == (old["id"], "ended", "superseded")
    assert new["phase"] == "connected"
    assert (await report(device, enrollment=fresh)).body == b""
    assert (await report(device, enrollment=before)).body == b"", "what is left of the old life gets nothing"
    assert (await corral.outcome(queued))["delivery"]["state"] == "dropped"
    assert "connection.old-life-heard" in await corral.kinds(device)


async def test_a_retry_with_the_same_key_gets_the_same_certificate(corral: Installation) -> None:
    device = corral.device()
    await draft(device, await corral.link())
    assert device.cached_profile is not None
    wanted = read_profile(open_profile(device.cached_profile), None).scep
    assert wanted is not None
    key = await device.world.keys.take()
    csr, signer = scep.build_csr(key, "x", wanted.challenge), scep.build_signer(key, "x", device.voice.now())
    authority = x509.load_der_x509_certificate(corral.trust.roots[0])
    certificates: list[bytes] = []
    for nonce in (b"1" * 16, b"2" * 16):
        message = scep.build_request(csr, key, signer, authority, transaction_id="T", sender_nonce=nonce)
        url = f"{wanted.url}?operation=PKIOperation"
        answer = await corral.transport.request("POST", url, body=message, trust=corral.trust)
        reply = scep.read_reply(answer.body, key, signer, authority, transaction_id="T", sender_nonce=nonce)
        assert isinstance(reply, scep.Issued)
        certificates.append(reply.certificate)
    assert certificates[0] == certificates[1]


async def test_a_retry_with_a_new_key_gets_another_certificate_three_times(corral: Installation) -> None:
    device = corral.device()
    first = await draft(device, await corral.link())
    profile = device.cached_profile
    assert profile is not None
    await authenticate(device, first)
    await device.retry_installation()
    assert (await corral.life(device))["phase"] == "connected"
    assert is_plain_403(await report(device, enrollment=first)), "the earlier certificate is revoked"
    with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
        await corral.device().enroll(profile)

    other = corral.device()
    await draft(other, await corral.link())
    for _ in range(3):
        await draft(other, other.cached_profile or b"")
    with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
        await draft(other, other.cached_profile or b"")


async def test_a_spent_link_lets_no_second_device_in(corral: Installation) -> None:
    link = await corral.link()
    first, with_profile, with_identity, halfway = [corral.device() for _ in range(4)]
    download = await draft(with_profile, link)
    assert with_profile.cached_profile is not None
    waiting = await draft(with_identity, link)
    provisional = await draft(halfway, link)
    assert (await authenticate(halfway, provisional)).status == 200
    await first.enroll(link)
    with pytest.raises(InstallationFailed, match="HTTP 410"):
        await corral.device().enroll(link)
    with pytest.raises(InstallationFailed, match="BAD_REQUEST"):
        await with_profile.retry_installation()
    assert is_plain_403(await authenticate(with_identity, waiting))
    assert is_plain_403(await authenticate(with_profile, download))
    assert is_plain_403(await update_token(halfway, provisional))
    assert (await corral.life(first))["phase"] == "connected"


async def test_of_two_devices_at_once_a_link_lets_one_in(corral: Installation) -> None:
    made = await corral.post("/links")
    devices = [corral.device() for _ in range(4)]
    drafts = [await draft(device, made["url"]) for device in devices]
    for device, fresh in zip(devices, drafts, strict=True):
        assert (await authenticate(device, fresh)).status == 200
    answers = await asyncio.gather(*(update_token(d, e) for d, e in zip(devices, drafts, strict=True)))
    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403]
    assert (await corral.get(f"/links/{made['link']['id']}"))["used"] == 1


async def test_a_link_for_a_serial_number_lets_no_other_in(corral: Installation) -> None:
    meant, other = corral.device(), corral.device()
    link = await corral.link(serial_number=meant.facts.serial_number)
    with pytest.raises(InstallationFailed, match="HTTP 403"):
        await other.enroll(link)
    await meant.enroll(link)
    link = await corral.link(device_id=meant.facts.udid)
    with pytest.raises(InstallationFailed, match="HTTP 403"):
        await other.enroll(link)


async def test_a_device_waits_for_the_service_to_be_back(start: Start) -> None:
    at = await start()
    device = at.device()
    fresh = await draft(device, await at.link())
    await authenticate(device, fresh)
    await at.restart()
    assert (await update_token(device, fresh)).status == 200
    assert (await at.life(device))["phase"] == "connected"
