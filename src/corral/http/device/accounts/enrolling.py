"""`/enroll/account/user` and `/enroll/account/device`: a device asks twice, and gets its profile when its person has
signed in (Apple: "Onboarding users with account sign-in")."""

from starlette.requests import Request
from starlette.responses import Response

from corral.apple.machine_info import MAX_MESSAGE
from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.http.device.accounts.challenge import SIGN_IN, Challenge, bearer
from corral.http.device.admission import profile_response, refused, text
from corral.lifecycle.admission import Refusal
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.enrolling import AccountEnrolling, NotProven
from corral.service.enrollment.applicants import Applicants, AskingError
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

_LATER = {"retry-after": "30"}


class AccountPages:
    def __init__(self, enrolling: AccountEnrolling, applicants: Applicants, challenge: Challenge) -> None:
        self._enrolling = enrolling
        self._applicants = applicants
        self._challenge = challenge

    async def user(self, request: Request) -> Response:
        return await self._answer(request, EnrollmentKind.ACCOUNT_USER)

    async def device(self, request: Request) -> Response:
        return await self._answer(request, EnrollmentKind.ACCOUNT_DEVICE)

    async def _answer(self, request: Request, kind: EnrollmentKind) -> Response:
        try:
            message = await read_body(request.scope, request.receive, MAX_MESSAGE)
            applicant = await self._applicants.claimed(message, kind)
            answer = await self._enrolling.profile(applicant, bearer(request.headers.get("authorization")))
        except BodyTooLarge:
            return text(413, "The message is larger than 64 KiB.")
        except ClientGone:
            return Response(status_code=400)
        except AskingError as error:
            return text(400, f"This is no request of a device: {error}.")
        except RequestRefused as error:
            return text(503, str(error), {"retry-after": "300"})
        except (OverCapacity, StoreUnavailable):
            return text(503, "The service cannot answer just now; try again in a minute.", _LATER)
        match answer:
            case NotProven():
                return Response(status_code=SIGN_IN, headers=self._challenge.headers())
            case Refusal():
                return refused(request, answer)
            case bytes():
                return profile_response(answer)
