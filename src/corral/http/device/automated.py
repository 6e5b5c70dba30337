"""`/enroll/automated`: where Setup Assistant asks for its profile, with what the device signed as the body.

`/MDMServiceConfig` tells Apple Configurator that address. Both answer strangers, so everything is bounded.
"""

import base64
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from corral.http.device.accounts.challenge import bearer
from corral.http.device.admission import HEADERS, answered
from corral.lifecycle.admission import Refusal
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.sessions import Sessions
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import Applicants


class Automated:
    def __init__(
        self,
        admitting: Admitting,
        applicants: Applicants,
        sessions: Sessions,
        anchors: Callable[[], tuple[bytes, ...]],
        public_url: str,
    ) -> None:
        """`anchors` (DER) are what a device has to trust to reach this service; none under a public authority."""
        self._admitting = admitting
        self._applicants = applicants
        self._sessions = sessions
        self._anchors = anchors
        self._url = public_url.rstrip("/")

    async def enroll(self, request: Request) -> Response:
        """The profile, or a refusal with the document that tells the device what to do first."""
        return await answered(request, lambda message: self._admit(message, request))

    async def _admit(self, message: bytes, request: Request) -> bytes | Refusal:
        applicant = await self._applicants.proven(message, EnrollmentKind.AUTOMATED)
        return await self._admitting.enroll(await self._signed_in(applicant, request), evidence="signed by the device")

    async def _signed_in(self, applicant: Applicant, request: Request) -> Applicant:
        """With the account of a device that shows a token of ours, as a Mac does that signed in by Platform SSO here.
        One of a provider's own says nothing."""
        token = bearer(request.headers.get("authorization"))
        session = await self._sessions.verify(token) if token else None
        return replace(applicant, account=session.account) if session is not None else applicant

    async def service_config(self, request: Request) -> Response:
        del request
        config = {"dep_enrollment_url": f"{self._url}/enroll/automated"}
        if self._anchors():
            config["dep_anchor_certs_url"] = f"{self._url}/MDMServiceConfig/anchors"
        return JSONResponse(config, headers=HEADERS)

    async def anchors(self, request: Request) -> Response:
        del request
        return JSONResponse([base64.b64encode(each).decode() for each in self._anchors()], headers=HEADERS)
