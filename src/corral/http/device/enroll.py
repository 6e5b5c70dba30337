"""`/enroll/{token}`: a page for people, and the profile for the device. Looking counts nothing."""

from starlette.requests import Request
from starlette.responses import Response

from corral.http.device.pages import HEADERS, page, unavailable
from corral.lifecycle.admission import Refusal
from corral.lifecycle.state import Link
from corral.service.clock import Clock, to_datetime
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.enrolling import Enrolling
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

PROFILE_TYPE = "application/x-apple-aspen-config"
_ASK = "Ask the people who gave you this link for a new one."


class EnrollPages:
    def __init__(self, enrolling: Enrolling, admitting: Admitting, organization: str, clock: Clock) -> None:
        self._enrolling = enrolling
        self._admitting = admitting
        self._organization = organization
        self._clock = clock

    async def page(self, request: Request) -> Response:
        """The page of a link; 404 for an unknown one, 410 for one that lets nobody in any more."""
        try:
            found = await self.open_link(request)
        except StoreUnavailable:
            return unavailable()
        if isinstance(found, Response):
            return found
        if PROFILE_TYPE in request.headers.get("accept", ""):
            return await self.profile(request)
        return page(
            200,
            "link.html",
            title=f"Enroll with {self._organization}",
            organization=self._organization,
            profile_url=f"{request.url.path.rstrip('/')}/profile",
            expires=f"{to_datetime(found.expires_at):%-d %B %Y, %H:%M} UTC",
        )

    async def profile(self, request: Request) -> Response:
        """The signed profile, with a challenge that was not given to anybody else."""
        try:
            found = await self.open_link(request)
            if isinstance(found, Response):
                return found
            profile = await self._admitting.enroll_by_link(found)
        except RequestRefused as error:
            return page(503, "closed.html", {"retry-after": "300"}, title="Not ready yet", reason=str(error))
        except (OverCapacity, StoreUnavailable):
            return unavailable()
        if isinstance(profile, Refusal):
            return page(403, "closed.html", title="Not by this link", reason=profile.message)
        disposition = {"content-disposition": 'attachment; filename="enroll.mobileconfig"'}
        return Response(profile, media_type=PROFILE_TYPE, headers=HEADERS | disposition)

    async def open_link(self, request: Request) -> Link | Response:
        """The link of the path's token; a page that says why not, where nobody can enroll by it."""
        link = await self._enrolling.find_link(request.path_params["token"])
        if link is None:
            reason = "This enrollment link is not known here; perhaps a part of it got lost."
            return page(404, "closed.html", title="Unknown link", reason=reason, hint=_ASK)
        refusal = link.refusal(self._clock())
        if refusal:
            return page(410, "closed.html", title="This link is closed", reason=refusal, hint=_ASK)
        return link
