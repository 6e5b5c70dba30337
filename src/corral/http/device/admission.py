"""What a device that asks to be enrolled is answered: its profile, or a refusal in the form that it reads.

Apple takes an enrollment error as JSON or as a property list, by its content type ("Error Codes" of Device Management):
JSON, unless the device says with `Accept` that it would rather have a property list.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from corral.apple.enrollment_error import JSON_TYPE, PLIST_TYPE, STATUS, EnrollmentError
from corral.apple.machine_info import MAX_MESSAGE
from corral.apple.profile import CONTENT_TYPE
from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.lifecycle.admission import Refusal
from corral.service.enrollment.applicants import AskingError
from corral.service.errors import OverCapacity, RequestRefused
from corral.store.errors import StoreUnavailable

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_PLISTS = frozenset((PLIST_TYPE, "text/xml", "application/x-plist", "application/x-apple-plist"))
_MOST_TYPES = 32


def profile_response(profile: bytes) -> Response:
    disposition = {"content-disposition": 'attachment; filename="enroll.mobileconfig"'}
    return Response(profile, media_type=CONTENT_TYPE, headers=HEADERS | disposition)


def refused(request: Request, refusal: Refusal) -> Response:
    """403, with the document for devices that know it, else with the sentence for a person."""
    if refusal.document is None:
        return text(STATUS, refusal.message)
    return document_response(request, refusal.document)


async def answered(request: Request, admit: Callable[[bytes], Awaitable[bytes | Refusal]]) -> Response:
    """The answer to a device that posts what it signed about itself."""
    try:
        answer = await admit(await read_body(request.scope, request.receive, MAX_MESSAGE))
    except BodyTooLarge:
        return text(413, f"A device sends {MAX_MESSAGE} bytes here at most.")
    except ClientGone:
        return Response(status_code=400)
    except AskingError as error:
        return text(400, f"Not enrolled: {error}.")
    except (RequestRefused, OverCapacity, StoreUnavailable) as error:
        return text(503, str(error), {"retry-after": "30"})
    return refused(request, answer) if isinstance(answer, Refusal) else profile_response(answer)


def document_response(request: Request, document: EnrollmentError) -> Response:
    if wants_plist(request.headers.get("accept", "")):
        return Response(document.plist(), STATUS, media_type=PLIST_TYPE, headers=HEADERS)
    return Response(document.json(), STATUS, media_type=JSON_TYPE, headers=HEADERS)


def text(status: int, line: str, headers: dict[str, str] | None = None) -> Response:
    return Response(f"{line}\n", status, media_type="text/plain", headers=HEADERS | (headers or {}))


def wants_plist(accept: str) -> bool:
    """Whether an Accept header (RFC 9110 12.5.1) names property lists, and JSON not or less."""
    plist = json = 0.0
    for part in accept.lower().split(",", _MOST_TYPES)[:_MOST_TYPES]:
        name, *parameters = (word.strip() for word in part.split(";"))
        if name in _PLISTS:
            plist = max(plist, _weight(parameters))
        elif name == JSON_TYPE:
            json = max(json, _weight(parameters))
    return plist > json


def _weight(parameters: list[str]) -> float:
    given = next((each.removeprefix("q=") for each in parameters if each.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0
