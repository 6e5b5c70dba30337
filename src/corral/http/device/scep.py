"""`/scep`: RFC 8894 over HTTP."""

from urllib.parse import parse_qs

from corral.http.asgi import BodyTooLarge, ClientGone, Receive, Scope, Send, read_body, respond
from corral.http.device.answers import send_answer
from corral.lifecycle.change import Answer
from corral.logs import lines
from corral.pki import scep
from corral.pki.scep import ScepError
from corral.service.errors import OverCapacity
from corral.service.scep_requests import ScepRequests
from corral.store.errors import StoreUnavailable

MAX_MESSAGE = 64 * 1024


class ScepRoute:
    def __init__(self, requests: ScepRequests) -> None:
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query: bytes = scope["query_string"]
        operation = _parameter(query, "operation")
        try:
            if operation == "GetCACert":
                certificate = self._requests.ca_certificate(_parameter(query, "message"))
                await respond(send, 200, certificate, b"application/x-x509-ca-cert")
            elif operation == "GetCACaps":
                await respond(send, 200, scep.CAPABILITIES, b"text/plain")
            elif operation == "PKIOperation":
                message = await _message(scope, receive, query)
                reply = await self._requests.operate(message)
                await respond(send, 200, reply, b"application/x-pki-message")
            else:
                await send_answer(
                    send, Answer(400, reason="SCEP: operation must be GetCACert, GetCACaps or PKIOperation.")
                )
        except ScepError as error:
            await send_answer(send, Answer(400, reason=f"SCEP: {error}."))
        except BodyTooLarge:
            await send_answer(send, Answer(413, reason="SCEP: the message is larger than 64 KiB."))
        except ClientGone:
            return
        except (OverCapacity, StoreUnavailable) as error:
            await send_answer(send, Answer(503, reason=str(error)))
        except Exception:
            lines.scep_failed()
            await send_answer(send, Answer(503, reason="SCEP: the request failed here; try again later."))


def _parameter(query: bytes, name: str) -> str:
    """Empty where it is missing; where a client repeats it, the first counts."""
    try:
        return parse_qs(query.decode("ascii"), max_num_fields=16).get(name, [""])[0]
    except ValueError:
        return ""


async def _message(scope: Scope, receive: Receive, query: bytes) -> bytes:
    """The body of a POST; some older clients repeat the message in its query string, which is ignored then."""
    if scope["method"] == "POST":
        return await read_body(scope, receive, MAX_MESSAGE)
    return scep.read_message_parameter(query)
