"""`/enroll/{token}`: a page for people, and the profile for the device. Looking counts nothing."""

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from corral.lifecycle.state import Link
from corral.service.clock import Clock, to_datetime
from corral.service.enrolling import Enrolling
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

PROFILE_TYPE = "application/x-apple-aspen-config"
_templates = Environment(loader=PackageLoader("corral.http.device"), autoescape=select_autoescape())
_ASK = "Ask the people who gave you this link for a new one."
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class EnrollPages:
    def __init__(self, enrolling: Enrolling, organization: str, clock: Clock) -> None:
        self._enrolling = enrolling
        self._organization = organization
        self._clock = clock

    async def page(self, request: Request) -> Response:
        """The page of a link; 404 for an unknown one, 410 for one that lets nobody in any more."""
        try:
            found = await self._open_link(request)
        except StoreUnavailable:
            return _unavailable()
        if isinstance(found, Response):
            return found
        if PROFILE_TYPE in request.headers.get("accept", ""):
            return await self.profile(request)
        return _page(
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
            found = await self._open_link(request)
            if isinstance(found, Response):
                return found
            profile = await self._enrolling.profile(found)
        except RequestRefused as error:
            return _page(503, "closed.html", {"retry-after": "300"}, title="Not ready yet", reason=str(error))
        except (OverCapacity, StoreUnavailable):
            return _unavailable()
        disposition = {"content-disposition": 'attachment; filename="enroll.mobileconfig"'}
        return Response(profile, media_type=PROFILE_TYPE, headers=_HEADERS | disposition)

    async def _open_link(self, request: Request) -> Link | Response:
        link = await self._enrolling.find_link(request.path_params["token"])
        if link is None:
            reason = "This enrollment link is not known here; perhaps a part of it got lost."
            return _page(404, "closed.html", title="Unknown link", reason=reason, hint=_ASK)
        refusal = link.refusal(self._clock())
        if refusal:
            return _page(410, "closed.html", title="This link is closed", reason=refusal, hint=_ASK)
        return link


def _unavailable() -> Response:
    reason = "The service cannot answer just now. Try again in a minute."
    return _page(503, "closed.html", {"retry-after": "30"}, title="One moment", reason=reason)


def _page(status: int, template: str, headers: dict[str, str] | None = None, **values: str) -> Response:
    body = _templates.get_template(template).render(values)
    return HTMLResponse(body, status, headers=_HEADERS | (headers or {}))
