"""Several push certificates side by side: each device goes on under the topic that it was enrolled with."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from e2e.conftest import Start
from e2e.installation import TOPIC, Installation, until
from e2e.messages import enrollment_of

OTHER = "com.apple.mgmt.External.7d2c1f60-0000-4000-8000-0000000000e3"


async def add_topic(at: Installation, topic: str, *, force: bool = True, valid: timedelta = timedelta(days=365)) -> Any:
    key = at.template.push_key
    certificate = at.template.apple.push_certificate(topic, key.public_key(), datetime.now(UTC), valid)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return await at.post("/push-certificates", certificate=certificate.decode(), key=pem.decode(), force=force)


async def topics(at: Installation) -> dict[str, str]:
    """Of every push certificate: why Apple refuses it, or nothing."""
    held = (await at.get("/push-certificates"))["push_certificates"]
    return {each["topic"]: each["stopped"] for each in held}


async def test_devices_of_two_topics_are_woken_and_renewed_each_under_its_own(start: Start) -> None:
    at = await start()
    former = await at.enrolled(quiet=False)
    with pytest.raises(AssertionError, match="1 channels depend on the present one"):
        await add_topic(at, OTHER, force=False)
    await add_topic(at, OTHER)
    newer = await at.enrolled(quiet=False)
    assert [enrollment_of(each).profile.topic for each in (former, newer)] == [TOPIC, OTHER]
    sent = [await at.send(device, "ProfileList") for device in (former, newer)]
    for uuid in sent:
        await until(lambda uuid=uuid: is_done(at, uuid))
    assert (await at.get("/status"))["topics"] == {TOPIC: 1, OTHER: 1}

    # Renewals repeat the topic of each: a device refuses an update that names another.
    for device in (former, newer):
        asked = await at.post(f"/devices/{device.facts.udid}/renew")
        await until(lambda uuid=asked["command_uuid"]: is_done(at, uuid))
        await device.settle()
        assert device.complaints == []
    assert [enrollment_of(each).profile.topic for each in (former, newer)] == [TOPIC, OTHER]


async def test_a_certificate_that_is_renewed_takes_over_while_the_service_runs(start: Start) -> None:
    at = await start()
    device = await at.enrolled(quiet=False)
    before = (await at.get("/push-certificates"))["push_certificates"][0]["not_after"]
    renewed = await add_topic(at, TOPIC, force=False, valid=timedelta(days=400))
    assert renewed["not_after"] > before
    assert await topics(at) == {TOPIC: ""}
    sent = await at.send(device, "ProfileList")
    await until(lambda: is_done(at, sent))


async def test_a_topic_without_a_certificate_waits_for_it_and_disturbs_no_other(start: Start) -> None:
    at = await start()
    await add_topic(at, OTHER)
    stranded, other = await at.enrolled(quiet=False), await at.enrolled(quiet=False)
    after = await at.cursor()
    # The token of one is of another topic, as after a move from another service whose certificate is not here yet.
    used = enrollment_of(stranded)
    elsewhere = "com.apple.mgmt.External.elsewhere"
    told = used.device.message(
        MessageType="TokenUpdate", Topic=elsewhere, PushMagic=used.device.magic, Token=used.device.token
    )
    answer = await stranded.voice.check_in(used, told)
    assert answer.status == 200
    kinds = Counter(each["type"] for each in await at.events(after, stranded))
    assert kinds["push.topic-unknown"] == 1
    waiting, sent = await at.send(stranded, "ProfileList"), await at.send(other, "ProfileList")
    await until(lambda: is_done(at, sent))
    assert (await at.outcome(waiting))["delivery"]["state"] == "open"
    woken: list[bool] = []
    at.push.register(used.device.token, elsewhere, used.device.magic, lambda: woken.append(True))
    await add_topic(at, elsewhere)
    await until(lambda: woken)


async def is_done(at: Installation, command_uuid: str) -> bool:
    return (await at.outcome(command_uuid))["delivery"]["state"] == "acknowledged"
