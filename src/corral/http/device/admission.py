"""What a device that asks to be enrolled is answered: its profile, or a refusal in the form that it reads.

Apple takes an enrollment error as JSON or as a property list, by its content type ("Error Codes" of Device Management):
JSON, unless the device says with `Accept` that it would rather have a property list.
"""

from starlette.requests import Request
from starlette.responses import Response

from corral.apple.enrollment_error import JSON_TYPE, PLIST_TYPE, STATUS, EnrollmentError
from corral.apple.profile import CONTENT_TYPE
from corral.lifecycle.admission import Refusal

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
