"""`/enroll/automated`: where Setup Assistant asks for its profile, with what the device signed as the body.

`/MDMServiceConfig` tells Apple Configurator that address. Both answer strangers, so everything is bounded.
"""

import base64
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from corral.apple.enrollment_error import STATUS
from corral.apple.machine_info import MAX_MESSAGE
from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.http.device.accounts.challenge import bearer
from corral.http.device.admission import HEADERS, profile_response, refused, text
from corral.lifecycle.admission import Applicant, Refusal
from corral.lifecycle.state import EnrollmentKind, Link
from corral.service.accounts.sessions import Sessions
from corral.service.admitting import Admitting
from corral.service.applicants import Applicants, AskingError
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable


class Automated:
    def __init__(
        self,
        admitting: Admitting,
        applicants: Applicants,
        sessions: Sessions,
        anchors: tuple[bytes, ...],
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
        return await self.answer(request, EnrollmentKind.AUTOMATED)

    async def answer(self, request: Request, kind: EnrollmentKind, link: Link | None = None) -> Response:
        """To a device that signed who it is: bound to that device, and to the link that it came by."""
        try:
            body = await read_body(request.scope, request.receive, MAX_MESSAGE)
            applicant = await self._signed_in(await self._applicants.proven(body, kind), request)
            if link is not None and not _is_meant(link, applicant):
                return text(STATUS, "This enrollment link is meant for another device.")
            source = f"link {link.id}" if link is not None else ""
            answer = await self._admitting.enroll(applicant, source=source, evidence="signed by the device", link=link)
        except BodyTooLarge:
            return text(413, f"A device sends {MAX_MESSAGE} bytes here at most.")
        except ClientGone:
            return Response(status_code=400)
        except AskingError as error:
            return text(400, f"Not enrolled: {error}.")
        except (RequestRefused, OverCapacity, StoreUnavailable) as error:
            return text(503, str(error), {"retry-after": "30"})
        return refused(request, answer) if isinstance(answer, Refusal) else profile_response(answer)

    async def _signed_in(self, applicant: Applicant, request: Request) -> Applicant:
        """With the account of a device that shows a token of ours, as a Mac does that signed in by Platform SSO here.
        One of a provider's own says nothing."""
        token = bearer(request.headers.get("authorization"))
        session = await self._sessions.verify(token) if token else None
        return replace(applicant, account=session.account) if session is not None else applicant

    async def service_config(self, request: Request) -> Response:
        del request
        config = {"dep_enrollment_url": f"{self._url}/enroll/automated"}
        if self._anchors:
            config["dep_anchor_certs_url"] = f"{self._url}/MDMServiceConfig/anchors"
        return JSONResponse(config, headers=HEADERS)

    async def anchors(self, request: Request) -> Response:
        del request
        return JSONResponse([base64.b64encode(each).decode() for each in self._anchors], headers=HEADERS)


def _is_meant(link: Link, applicant: Applicant) -> bool:
    return link.device_id in (None, applicant.udid) and link.serial_number in (None, applicant.serial_number)
