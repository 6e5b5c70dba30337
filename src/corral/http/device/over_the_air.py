"""`/enroll/{token}/over-the-air`: a link opened by a device that first signs who it is."""

from starlette.requests import Request
from starlette.responses import Response

from corral.http.device.admission import answered, profile_response
from corral.http.device.enroll import EnrollPages
from corral.service.enrollment.over_the_air import OverTheAir


class OverTheAirRoute:
    def __init__(self, pages: EnrollPages, over_the_air: OverTheAir) -> None:
        self._pages = pages
        self._over_the_air = over_the_air

    async def begin(self, request: Request) -> Response:
        found = await self._pages.open_link(request)
        if isinstance(found, Response):
            return found
        return profile_response(await self._over_the_air.first_profile(request.path_params["token"], found))

    async def enroll(self, request: Request) -> Response:
        found = await self._pages.open_link(request)
        if isinstance(found, Response):
            return found
        return await answered(request, lambda message: self._over_the_air.answer(found, message))
