"""Rows 37 to 45, and 58: SCEP and the enrollment link."""

import asyncio

import httpx
from cryptography import x509

from corral.pki import cms, scep
from corral.pki.scep import MessageType
from corral.simulator.device import Device
from corral.simulator.fetching import fetch_profile, open_profile
from corral.simulator.installing import read_profile
from corral.simulator.transport import Response
from e2e.answers.register import Stage, row
from e2e.factory import ruled
from e2e.messages import draft

PROFILE = "application/x-apple-aspen-config"


@row(37)
async def the_authority(stage: Stage) -> None:
    certificate = await _get(stage, "/scep?operation=GetCACert&message=corral")
    assert (certificate.status, certificate.headers["content-type"]) == (200, "application/x-x509-ca-cert")
    x509.load_der_x509_certificate(certificate.body)
    capabilities = await _get(stage, "/scep?operation=GetCACaps&message=corral")
    assert capabilities.status == 200
    assert {"AES", "SHA-256", "POSTPKIOperation", "Renewal"} <= set(capabilities.body.decode().split())


@row(38)
async def an_authorized_request(stage: Stage) -> None:
    device = stage.corral.device()
    profile = await fetch_profile(device.voice, await stage.corral.link(), stage.corral.trust)
    first = await _request(device, profile)
    assert isinstance(first, scep.Issued)
    again = await _request(device, profile, by_get=True)
    assert isinstance(again, scep.Issued)
    for issued in (first, again):
        authority = x509.load_der_x509_certificate(stage.corral.trust.roots[0])
        x509.load_der_x509_certificate(issued.certificate).verify_directly_issued_by(authority)


@row(39)
async def an_unauthorized_request(stage: Stage) -> None:
    device = stage.corral.device()
    profile = await fetch_profile(device.voice, await stage.corral.link(), stage.corral.trust)
    assert isinstance(await _request(device, profile, challenge="guessed"), scep.Refused)
    assert isinstance(await _request(device, profile, message_type=MessageType.RENEWAL_REQ), scep.Refused)


@row(40)
async def no_scep(stage: Stage) -> None:
    for path in (
        "/scep",
        "/scep?operation=GetNextCACert",
        "/scep?operation=PKIOperation",
        "/scep?operation=PKIOperation&message=%21",
        "/scep?operation=PKIOperation&message=MAMBAQE%3D",
        "/scep?operation=" + "x" * 4000,
    ):
        answer = await _get(stage, path)
        assert answer.status == 400
        assert answer.body.startswith(b"SCEP: ")
    for body in (b"", b"0\x80", bytes(5000), b"\x30\x84\xff\xff\xff\xff"):
        assert (await _post(stage, body)).status == 400


@row(41)
async def an_open_link(stage: Stage) -> None:
    link = await stage.corral.link()
    page = await _link(stage, link, "text/html,*/*")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"{httpx.URL(link).path}/profile" in page.text
    profile = await _link(stage, link, PROFILE)
    assert (profile.status_code, profile.headers["content-type"]) == (200, PROFILE)


@row(42)
async def the_profile_of_a_link(stage: Stage) -> None:
    answer = await _link(stage, f"{await stage.corral.link()}/profile", "*/*")
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROFILE)
    content, signature = cms.verify_attached(answer.content)
    assert content.startswith(b"<?xml")
    assert signature.certificate == stage.corral.trust.roots[0]


@row(43)
async def a_closed_link(stage: Stage) -> None:
    at = stage.corral
    spent = await at.link()
    await draft(device := at.device(), spent)
    assert (await _link(stage, spent, "*/*")).status_code == 200, "it is the connection that counts"
    await device.enroll(spent)
    withdrawn = await at.post("/links")
    await at.delete(f"/links/{withdrawn['link']['id']}")
    expired = await at.link(expires_in=1)
    await asyncio.sleep(1.1)
    for url in (spent, withdrawn["url"], expired):
        for suffix in ("", "/profile"):
            answer = await _link(stage, url + suffix, PROFILE)
            assert (answer.status_code, answer.headers["content-type"]) == (410, "text/html; charset=utf-8")


@row(44)
async def an_unknown_link(stage: Stage) -> None:
    for token in ("x" * 32, "short", "y" * 500):
        for suffix in ("", "/profile"):
            answer = await _link(stage, f"{stage.corral.url}/enroll/{token}{suffix}", "*/*")
            assert answer.status_code == 404


@row(45)
async def no_push_certificate(stage: Stage) -> None:
    assert stage.early.status_code == 503
    assert stage.early.headers["retry-after"] == "300"
    assert "push certificate" in stage.early.text


@row(58)
async def a_link_that_the_policy_declines(stage: Stage) -> None:
    link = await stage.corral.link(serial_number="C0DECLINED")
    async with ruled(stage.corral, {"when": {"serial_number": ["C0DECLINED"]}, "then": {"do": "decline"}}):
        answer = await _link(stage, f"{link}/profile", "*/*")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "may not be enrolled" in answer.text


async def _get(stage: Stage, path: str) -> Response:
    return await stage.corral.transport.request("GET", f"{stage.corral.url}{path}", trust=stage.corral.trust)


async def _post(stage: Stage, body: bytes) -> Response:
    url = f"{stage.corral.url}/scep?operation=PKIOperation"
    return await stage.corral.transport.request("POST", url, body=body, trust=stage.corral.trust)


async def _link(stage: Stage, url: str, accept: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=stage.corral.tls) as browser:
        return await browser.get(url, headers={"accept": accept})


async def _request(
    device: Device,
    raw: bytes,
    *,
    challenge: str | None = None,
    message_type: MessageType = MessageType.PKCS_REQ,
    by_get: bool = False,
) -> scep.Issued | scep.Refused | scep.Pending:
    wanted = read_profile(open_profile(raw), None).scep
    assert wanted is not None
    key = await device.world.keys.take()
    csr = scep.build_csr(key, "device", challenge or wanted.challenge)
    signer = scep.build_signer(key, "device", device.voice.now())
    authority = x509.load_der_x509_certificate(device.world.trust.roots[0])
    message = scep.build_request(
        csr, key, signer, authority, message_type=message_type, transaction_id="T1", sender_nonce=bytes(16)
    )
    url = f"{wanted.url}?operation=PKIOperation"
    if by_get:
        url += f"&message={scep.message_parameter(message)}"
    answer = await device.world.transport.request(
        "GET" if by_get else "POST", url, body=b"" if by_get else message, trust=device.world.trust
    )
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-pki-message"
    return scep.read_reply(answer.body, key, signer, authority, transaction_id="T1", sender_nonce=bytes(16), csr=csr)
