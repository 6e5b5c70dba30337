"""How a service stops, starts again, and shares its addresses."""

import asyncio
import os
import signal
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from corral.cli.process import free_port
from corral.simulator.speaking import Accepted
from corral.simulator.transport import Unreachable
from e2e.conftest import Start
from e2e.installation import Installation, until
from e2e.messages import enrollment_of, report
from e2e.wire import connect


async def test_a_stop_answers_what_is_under_way(start: Start) -> None:
    at = await start()
    devices = [await at.enrolled() for _ in range(4)]
    sent = {each.facts.udid: await at.send(each, "ProfileList") for each in devices}
    answered = 0
    ends: list[tuple[bool, bool]] = []
    stopping = asyncio.Event()

    async def talk(number: int) -> None:
        nonlocal answered
        device = devices[number % len(devices)]
        while True:
            try:
                answer = await report(device, "Acknowledged", CommandUUID=sent[device.facts.udid], Number=number)
            except Unreachable as error:
                ends.append((stopping.is_set(), "in the middle of its answer" in str(error)))
                return
            assert answer.status == 200
            answered += 1

    reader, writer = await connect(at)
    body = enrollment_of(devices[0]).device.idle
    writer.write(b"PUT /mdm HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:20])
    talking = [asyncio.create_task(talk(number)) for number in range(8)]
    await until(lambda: answered > 50)
    stopping.set()
    stop = asyncio.create_task(at.service.stop())
    await asyncio.sleep(0.3)
    writer.write(body[20:])
    late = await reader.read()
    assert late.startswith(b"HTTP/1.1 400 "), "half said at the stop, whole in the end, and answered"
    writer.close()
    await stop
    await asyncio.gather(*talking)
    assert ends == [(True, False)] * len(talking), "nobody is cut off before the stop, or in the middle of an answer"
    assert "corral.stopped" in at.log()
    assert not (at.data / "admin.sock").exists()
    await at.service.start()
    states = [(await at.outcome(uuid))["delivery"]["state"] for uuid in sent.values()]
    assert states == ["acknowledged"] * 4


async def test_a_second_service_on_the_same_folder_is_refused_in_one_line(corral: Installation) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "corral", "serve", "--data", str(corral.data)),
        *("--listen", f"127.0.0.1:{free_port()}"),
        env={**os.environ, **corral.service.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode not in (0, None)
    assert out == b""
    assert err.decode().count("\n") == 1, err
    assert f"process {corral.service.pid}" in err.decode()
    assert (await corral.get("/status"))["version"], "and the first goes on, socket and all"


async def test_an_address_in_use_is_refused_in_one_line(start: Start, corral: Installation) -> None:
    at = await start()
    await at.service.stop()
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "corral", "serve", "--data", str(at.data)),
        *("--listen", corral.url.removeprefix("https://")),
        env={**os.environ, **at.service.environment},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode not in (0, None)
    assert err.decode().count("\n") == 1, err
    assert corral.url.removeprefix("https://") in err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_restart_keeps_everything(start: Start, number: signal.Signals) -> None:
    at = await start()
    device = await at.enrolled(quiet=False)
    link = await at.post("/links", uses=3)
    device.go_offline()
    queued = await at.send(device, "ProfileList")
    before, others = await at.get(f"/devices/{device.facts.udid}"), [await at.get("/links"), await at.events(0)]
    os.kill(at.service.pid, number)
    await at.service.stop()
    await at.service.start()
    after = await at.get(f"/devices/{device.facts.udid}")
    assert (after["connections"], after["certificates"]) == (before["connections"], before["certificates"])
    assert after["open_commands"] == 1
    assert [await at.get("/links"), await at.events(0)] == others
    device.go_online()
    assert await device.poll() == Accepted()
    assert (await at.outcome(queued))["delivery"]["state"] == "acknowledged"
    await at.device().enroll(link["url"])
    certificates = await at.get("/push-certificates")
    assert len(certificates["push_certificates"]) == 1


async def test_tls_files_are_read_again_at_a_hangup(start: Start, tmp_path: Path) -> None:
    at = await start()
    await at.service.stop()
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"

    def renew() -> bytes:
        pair = at.template.apple.server_certificate(datetime.now(UTC))
        certificate.write_bytes(pair[0])
        key.write_bytes(pair[1])
        return ssl.PEM_cert_to_DER_cert(pair[0].decode())

    first = renew()
    files = {"CORRAL_TLS": "files", "CORRAL_TLS_CERTIFICATE": str(certificate), "CORRAL_TLS_KEY": str(key)}
    at.service.environment |= files
    await at.service.start()
    assert await shown(at) == first
    second = renew()
    assert await shown(at) == first, "not before it is told to"
    os.kill(at.service.pid, signal.SIGHUP)
    await until(lambda: "corral.tls-reloaded" in at.log())
    assert await shown(at) == second
    former = key.read_bytes()
    for wrong in ("no key at all", former.decode()):
        renew()
        key.write_text(wrong)
        os.kill(at.service.pid, signal.SIGHUP)
        await until(lambda: at.log().count("corral.tls-not-reloaded") > 0)
        assert await shown(at) == second, "files that do not fit each other change nothing"
    assert (await at.get("/status"))["version"]


async def shown(at: Installation) -> bytes | None:
    """The certificate that the service shows now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rpartition(":")[2]), ssl=context)
    tls = writer.get_extra_info("ssl_object")
    writer.close()
    return tls.getpeercert(binary_form=True)


async def test_devices_and_people_may_have_addresses_of_their_own(start: Start) -> None:
    admin = f"127.0.0.1:{free_port()}"
    at = await start({"CORRAL_ADMIN_LISTEN": admin})
    device = await at.enrolled()
    assert (await report(device)).status == 200
    bearer = {"authorization": f"Bearer {at.template.token}"}
    async with httpx.AsyncClient(verify=at.tls, headers=bearer) as client:
        for path in ("/api/v1/status", "/api/v1/devices", "/api/v1/openapi.json", "/api/v1/", "/api"):
            assert (await client.get(f"{at.url}{path}")).status_code == 404
        assert (await client.get(f"https://{admin}/api/v1/status")).status_code == 200
        for path in ("/mdm", "/checkin", "/scep?operation=GetCACert", "/enroll/x", "/enroll/x/profile"):
            assert (await client.get(f"https://{admin}{path}")).status_code == 404
            assert (await client.put(f"https://{admin}{path}", content=b"x")).status_code in (404, 405)
        for where in (at.url, f"https://{admin}"):
            for path in ("/livez", "/readyz"):
                answer = await client.get(f"{where}{path}")
                assert (answer.status_code, answer.text) == (200, "ok\n")
    async with httpx.AsyncClient(verify=at.tls) as stranger:
        assert (await stranger.get(f"https://{admin}/api/v1/status")).status_code == 401
