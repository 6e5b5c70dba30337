"""`/enroll/automated`: where Setup Assistant asks for its profile, with what the device signed as the body.

`/MDMServiceConfig` tells Apple Configurator that address. Both answer strangers, so everything is bounded.
"""

import asyncio
import base64
from dataclasses import replace

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from corral.apple.enrollment_error import JSON_TYPE, STATUS
from corral.apple.machine_info import (
    HEADER,
    MAX_MESSAGE,
    MachineInfo,
    MachineInfoError,
    decode_header,
    read_machine_info,
)
from corral.apple.profile import CONTENT_TYPE
from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.lifecycle.admission import Refusal
from corral.lifecycle.state import EnrollmentKind, Link
from corral.pki.device_signature import DeviceSignatureError, DeviceTrust
from corral.service.admitting import Admitting, applicant_of
from corral.service.errors import OverCapacity, RequestRefused
from corral.service.pairing_tokens import PairingTokens
from corral.store.errors import StoreUnavailable

_log = structlog.get_logger("corral.device")
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_AT_ONCE = 16
"""Signatures of strangers that are checked at the same time, at most."""


class Automated:
    def __init__(
        self,
        admitting: Admitting,
        pairing: PairingTokens,
        trust: DeviceTrust,
        anchors: tuple[bytes, ...],
        public_url: str,
    ) -> None:
        """`anchors` (DER) are what a device has to trust to reach this service; none under a public authority."""
        self._admitting = admitting
        self._pairing = pairing
        self._trust = trust
        self._anchors = anchors
        self._url = public_url.rstrip("/")
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def enroll(self, request: Request) -> Response:
        """The profile, or a refusal with the document that tells the device what to do first."""
        return await self.answer(request, EnrollmentKind.AUTOMATED)

    async def answer(self, request: Request, kind: EnrollmentKind, link: Link | None = None) -> Response:
        """To a device that signed who it is: bound to that device, and to the link that it came by."""
        try:
            body = await read_body(request.scope, request.receive, MAX_MESSAGE)
            info = await self.read(body)
            if info.udid is None or info.serial_number is None:
                return _text(400, "Not enrolled: UDID and SERIAL are missing in what the device signed.")
            if link is not None and not _is_meant(link, info):
                return _text(STATUS, "This enrollment link is meant for another device.")
            paired = info.pairing_token is not None and self._pairing.is_good(info.pairing_token, info.udid)
            applicant = replace(applicant_of(info, kind), has_pairing_token=paired)
            source = f"link {link.id}" if link is not None else ""
            answer = await self._admitting.enroll(applicant, source=source, evidence="signed by the device", link=link)
        except BodyTooLarge:
            return _text(413, f"A device sends {MAX_MESSAGE} bytes here at most.")
        except ClientGone:
            return Response(status_code=400)
        except (DeviceSignatureError, MachineInfoError) as error:
            return _text(400, f"Not enrolled: {error}.")
        except (RequestRefused, OverCapacity, StoreUnavailable) as error:
            return _text(503, str(error), {"retry-after": "30"})
        return refused(answer) if isinstance(answer, Refusal) else profile_response(answer)

    async def read(self, message: bytes) -> MachineInfo:
        """What a device signed; raises DeviceSignatureError and MachineInfoError."""
        async with self._turns:
            signed = await asyncio.to_thread(self._trust.read, message)
        return read_machine_info(signed.content)

    async def read_header(self, request: Request) -> MachineInfo:
        """The same from the header of the first request to a `configuration_web_url`; raises what `read` does."""
        values = request.headers.getlist(HEADER)
        if len(values) != 1:
            raise MachineInfoError(f"{'no' if not values else 'more than one'} {HEADER} header")
        return await self.read(decode_header(values[0]))

    async def service_config(self, request: Request) -> Response:
        del request
        config = {"dep_enrollment_url": f"{self._url}/enroll/automated"}
        if self._anchors:
            config["dep_anchor_certs_url"] = f"{self._url}/MDMServiceConfig/anchors"
        return JSONResponse(config, headers=_HEADERS)

    async def anchors(self, request: Request) -> Response:
        del request
        return JSONResponse([base64.b64encode(each).decode() for each in self._anchors], headers=_HEADERS)


def _is_meant(link: Link, info: MachineInfo) -> bool:
    return link.device_id in (None, info.udid) and link.serial_number in (None, info.serial_number)


def profile_response(profile: bytes) -> Response:
    disposition = {"content-disposition": 'attachment; filename="enroll.mobileconfig"'}
    return Response(profile, media_type=CONTENT_TYPE, headers=_HEADERS | disposition)


def refused(refusal: Refusal) -> Response:
    """403, with the document for devices that know it, else with the sentence for a person."""
    if refusal.document is None:
        return _text(STATUS, refusal.message)
    return Response(refusal.document.json(), STATUS, media_type=JSON_TYPE, headers=_HEADERS)


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(f"{text}\n", status, media_type="text/plain", headers=_HEADERS | (headers or {}))
