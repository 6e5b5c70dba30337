"""`/.well-known/com.apple.remotemanagement`: where an account enrolls (Apple: "Discover authentication servers"),
and the Enrollment SSO document."""

import json

from starlette.requests import Request
from starlette.responses import Response

from corral.apple.enrollment_error import JSON_TYPE
from corral.http.device.admission import refused, text
from corral.lifecycle.admission import Refusal
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.enrolling import AccountEnrolling
from corral.store.errors import StoreUnavailable

PATH = "/.well-known/com.apple.remotemanagement"
BASE_PATHS = {
    EnrollmentKind.ACCOUNT_USER: "/enroll/account/user",
    EnrollmentKind.ACCOUNT_DEVICE: "/enroll/account/device",
}
_VERSIONS = {EnrollmentKind.ACCOUNT_USER: "mdm-byod", EnrollmentKind.ACCOUNT_DEVICE: "mdm-adde"}
_MOST = 512


class Discovery:
    """`sso` is the Enrollment SSO document, if there is one."""

    def __init__(self, enrolling: AccountEnrolling, public_url: str, sso: bytes | None) -> None:
        self._enrolling = enrolling
        self._url = public_url.rstrip("/")
        self._sso = sso

    async def servers(self, request: Request) -> Response:
        """Exactly one server. A device that was redirected here has lost its query, and gets what is the rule."""
        user = request.query_params.get("user-identifier", "")
        family = request.query_params.get("model-family", "")
        if len(user) > _MOST or len(family) > _MOST:
            return text(400, f"No account and no model family has more than {_MOST} characters.")
        try:
            kind = await self._enrolling.discover(user, family)
        except StoreUnavailable as error:
            return text(503, str(error), {"retry-after": "30"})
        if isinstance(kind, Refusal):
            return refused(request, kind)
        server = {"Version": _VERSIONS[kind], "BaseURL": self._url + BASE_PATHS[kind]}
        body = json.dumps({"Servers": [server]}).encode()
        return Response(body, media_type=JSON_TYPE, headers={"cache-control": "no-store"})

    async def sso(self, request: Request) -> Response:
        del request
        if self._sso is None:
            return Response(b"There is no Enrollment SSO here.\n", 404, media_type="text/plain")
        return Response(self._sso, media_type=JSON_TYPE)
