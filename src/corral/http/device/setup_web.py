"""`/enroll/automated/web`: the web view of Setup Assistant, whose person signs in before the device gets its profile
(Apple: "Authenticating Through Web Views"; the `configuration_web_url` of a profile of Automated Device Enrollment).

The device says with the first request who it is, in a header. From there the sign-in is in the URL: web views lose
cookies. It ends with the profile, under the policy, which by then knows the account.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from corral.apple.machine_info import HEADER, MachineInfoError, decode_header
from corral.http.device.accounts.signing_in import SignInPages, refused_page
from corral.http.device.pages import page, unavailable
from corral.lifecycle.admission import Refusal
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.sign_in import ForSetup
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import Applicants, AskingError
from corral.store.errors import StoreUnavailable


class SetupWeb:
    def __init__(self, applicants: Applicants, admitting: Admitting, people: SignInPages) -> None:
        self._applicants = applicants
        self._admitting = admitting
        self._people = people

    async def begin(self, request: Request) -> Response:
        """Off to the identity provider, but for a device that needs no account to be refused."""
        values = request.headers.getlist(HEADER)
        try:
            if len(values) != 1:
                raise AskingError(f"{'no' if not values else 'more than one'} {HEADER} header")
            applicant = await self._applicants.proven(decode_header(values[0]), EnrollmentKind.AUTOMATED)
            judged = await self._admitting.decide(replace(applicant, signing_in=True))
        except (AskingError, MachineInfoError) as error:
            reason = f"This page is for devices in Setup Assistant: {error}."
            return page(400, "closed.html", title="Not enrolled", reason=reason)
        except StoreUnavailable:
            return unavailable()
        if isinstance(judged.judgement, Refusal):
            return refused_page(request, judged.judgement)
        return await self._people.begin(ForSetup(applicant))
