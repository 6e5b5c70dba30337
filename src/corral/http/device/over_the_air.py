"""`/enroll/{token}/over-the-air`: a link opened by a device that first signs who it is (Apple: "Over-the-Air Profile
Delivery Concepts").

The first profile has the device post its attributes here, signed with the certificate it was made with; the answer is
the enrollment profile itself, bound to that device, and not one more profile for an identity of its own in between.
"""

from starlette.requests import Request
from starlette.responses import Response

from corral.http.device.admission import profile_response
from corral.http.device.automated import Automated
from corral.http.device.enroll import EnrollPages
from corral.lifecycle.state import EnrollmentKind
from corral.service.enrolling import Enrolling


class OverTheAir:
    def __init__(self, pages: EnrollPages, automated: Automated, enrolling: Enrolling) -> None:
        self._pages = pages
        self._automated = automated
        self._enrolling = enrolling

    async def begin(self, request: Request) -> Response:
        found = await self._pages.open_link(request)
        if isinstance(found, Response):
            return found
        return profile_response(await self._enrolling.first_profile(request.path_params["token"]))

    async def enroll(self, request: Request) -> Response:
        found = await self._pages.open_link(request)
        if isinstance(found, Response):
            return found
        return await self._automated.answer(request, EnrollmentKind.OVER_THE_AIR, found)
