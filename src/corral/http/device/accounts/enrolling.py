"""`/enroll/account/user` and `/enroll/account/device`: a device asks twice, and gets its profile when its person has
signed in (Apple: "Onboarding users with account sign-in")."""

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from corral.apple.profile import CONTENT_TYPE
from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.http.device.accounts.challenge import SIGN_IN, Challenge, bearer
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.asking import AskingError, read_asking
from corral.service.accounts.enrolling import AccountEnrolling, NotProven
from corral.service.accounts.person import SignInRefused
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

_log = structlog.get_logger("corral.accounts")

MAX_MESSAGE = 64 * 1024
_LATER = {"retry-after": "30"}


class AccountPages:
    def __init__(self, enrolling: AccountEnrolling, challenge: Challenge) -> None:
        self._enrolling = enrolling
        self._challenge = challenge

    async def user(self, request: Request) -> Response:
        return await self._answer(request, EnrollmentKind.ACCOUNT_USER)

    async def device(self, request: Request) -> Response:
        return await self._answer(request, EnrollmentKind.ACCOUNT_DEVICE)

    async def _answer(self, request: Request, kind: EnrollmentKind) -> Response:
        try:
            asking = read_asking(await read_body(request.scope, request.receive, MAX_MESSAGE))
            profile = await self._enrolling.profile(kind, bearer(request.headers.get("authorization")), asking.family)
        except BodyTooLarge:
            return PlainTextResponse("The message is larger than 64 KiB.\n", 413)
        except ClientGone:
            return Response(status_code=400)
        except AskingError as error:
            return PlainTextResponse(f"This is no request of a device: {error}.\n", 400)
        except SignInRefused as error:
            _log.info("account.refused", kind=kind.value, why=str(error))
            return PlainTextResponse(f"{error}\n", 403)
        except RequestRefused as error:
            return PlainTextResponse(f"{error}\n", 503, {"retry-after": "300"})
        except (OverCapacity, StoreUnavailable):
            return PlainTextResponse("The service cannot answer just now; try again in a minute.\n", 503, _LATER)
        if isinstance(profile, NotProven):
            return Response(status_code=SIGN_IN, headers=self._challenge.headers())
        return Response(profile, media_type=CONTENT_TYPE, headers={"cache-control": "no-store"})
