"""The operator that scenarios ask, over the admin API of a running service."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from corral.apple.plist import PlistValue
from corral.cli.reach.access import Access, OverSocket, no_authorities
from corral.simulator.operator import DeviceView, OperatorFailed


def connect(access: Access) -> httpx.AsyncClient:
    """A client of the admin API, over the installation's socket or the network."""
    if isinstance(access, OverSocket):
        transport = httpx.AsyncHTTPTransport(uds=str(access.path), verify=no_authorities())
        return httpx.AsyncClient(transport=transport, base_url="http://localhost/api/v1", timeout=30)
    context = ssl.create_default_context()
    if access.ca:
        context.load_verify_locations(cadata=access.ca)
    headers = {"authorization": f"Bearer {access.token}"}
    return httpx.AsyncClient(
        base_url=f"{access.url}/api/v1", verify=context, headers=headers, timeout=30, trust_env=False
    )


class ApiOperator:
    """Whatever the API refuses raises OperatorFailed with its own sentence."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def create_link(self, *, uses: int | None = 1) -> str:
        created = await self.call("POST", "/links", {"uses": uses})
        return str(created["url"])

    async def send_command(
        self, device: str, request_type: str, keys: Mapping[str, PlistValue] | None = None, *, user: str = ""
    ) -> str:
        body = {"devices": [device], "request_type": request_type, "keys": dict(keys or {}), "user": user}
        sent = await self.call("POST", "/commands", body)
        verdict = sent["devices"][0]
        if not verdict["queued"]:
            raise OperatorFailed(f"{request_type} for {device} was not queued: {verdict['problem']}")
        return str(sent["command_uuid"])

    async def command_status(self, device: str, command: str) -> str:
        found = await self.call("GET", f"/commands/{command}", query={"device": device})
        for each in found["deliveries"]:
            delivery = each["delivery"]
            return str(delivery["result_status"] or ("NotNow" if delivery["not_now_count"] else ""))
        return ""

    async def look(self, device: str) -> DeviceView | None:
        try:
            detail = await self.call("GET", f"/devices/{device}")
        except NotThere:
            return None
        lives = detail["connections"]
        if not lives:
            return None
        newest = lives[0]
        return DeviceView(
            phase=newest["phase"],
            connection=newest["id"],
            end_reason=newest["end_reason"] or "",
            proof=newest["proof"],
            lives=len(lives),
        )

    async def events(self, device: str) -> tuple[str, ...]:
        timeline = await self.call("GET", f"/devices/{device}/timeline", query={"limit": "500"})
        types = [entry["data"]["type"] for entry in timeline["entries"] if entry["kind"] == "event"]
        return tuple(reversed(types))

    async def end(self, device: str, *, at_once: bool = False) -> None:
        await self.call("POST", f"/devices/{device}/end", {"deadline_in": 0} if at_once else {})

    async def renew(self, device: str) -> str:
        renewing = await self.call("POST", f"/devices/{device}/renew")
        return str(renewing["command_uuid"])

    async def decide_takeover(self, device: str, *, accept: bool) -> None:
        await self.call("POST", f"/devices/{device}/takeover", {"accept": accept})

    async def return_to_service(self, device: str) -> str:
        returning = await self.call("POST", f"/devices/{device}/return-to-service", {})
        return str(returning["command_uuid"])

    async def block(self, device: str) -> None:
        await self.call("POST", f"/devices/{device}/block", {})

    async def unblock(self, device: str) -> None:
        await self.call("POST", f"/devices/{device}/unblock")

    async def import_push_certificate(self, certificate: bytes, key: bytes, apple_account: str) -> str:
        """The topic of the certificate that was imported."""
        body = {"certificate": certificate.decode(), "key": key.decode(), "apple_account": apple_account}
        imported = await self.call("POST", "/push-certificates", body)
        return str(imported["topic"])

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        try:
            response = await self._client.request(method, path, json=body, params=query)
        except httpx.HTTPError as error:
            raise OperatorFailed(f"the admin API cannot be reached: {error or type(error).__name__}") from None
        if response.status_code == 404:
            raise NotThere(_detail(response))
        if response.is_error:
            raise OperatorFailed(_detail(response))
        return response.json() if response.content else None


class NotThere(OperatorFailed):
    """The API knows no such thing."""


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"the admin API answered {response.status_code}"
