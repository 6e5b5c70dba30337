"""The header Idempotency-Key, and what stands for a whole request."""

import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.problems import ProblemError
from corral.service.access.caller import Caller
from corral.store.idempotency import Asked, KeptAnswer

KEY_HEADER = "idempotency-key"
REPLAYED_HEADER = "idempotent-replayed"

KEY = r'"([ !#-\[\]-~]{1,255})"|([!#-+\--:<-~]{1,255})'
"""A string as structured fields have it (RFC 9651 3.3.3), or the same without quotes, as many clients send it."""


def asked_once(endpoint: Endpoint, caller: Caller, request: Request, body: bytes) -> Asked | None:
    """What is asked under a key; None without one. A key at a request that changes nothing means nothing.

    Raises ProblemError for what is no key, and where nobody can have one: before it is known who asks.
    """
    given = request.headers.getlist(KEY_HEADER)
    if not given or endpoint.method == "GET":
        return None
    found = re.fullmatch(KEY, given[0].strip()) if len(given) == 1 else None
    if found is None:
        raise ProblemError(422, 'Send one Idempotency-Key of at most 255 characters, such as "8e03978e-40d5-43dd".')
    if not endpoint.takes_key:
        raise ProblemError(
            422, f"{endpoint.method} {endpoint.path} takes no Idempotency-Key: nobody has said who asks."
        )
    parts = (request.method.encode(), request.url.path.encode(), request.url.query.encode(), body)
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()
    return Asked(f"{caller.kind}:{caller.id}", found[1] or found[2], digest)


def kept(response: Response) -> KeptAnswer:
    return KeptAnswer(response.status_code, response.headers.get("content-type", ""), bytes(response.body))


def replayed(answer: KeptAnswer) -> Response:
    headers = {REPLAYED_HEADER: "true"} | ({"content-type": answer.media_type} if answer.media_type else {})
    return Response(answer.body, answer.status, headers)
