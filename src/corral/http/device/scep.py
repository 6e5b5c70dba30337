"""`/scep`: RFC 8894 over HTTP."""

from urllib.parse import parse_qs

from corral.http.asgi import BodyTooLarge, ClientGone, Receive, Scope, read_body
from corral.lifecycle.change import Answer
from corral.logs import lines
from corral.pki import scep
from corral.pki.scep import ScepError
from corral.service.errors import OverCapacity
from corral.service.identities.scep_requests import ScepRequests
from corral.store.errors import StoreUnavailable

MAX_MESSAGE = 64 * 1024


class ScepRoute:
    def __init__(self, requests: ScepRequests) -> None:
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive) -> Answer | None:
        """None where the client has hung up."""
        query: bytes = scope["query_string"]
        try:
            match _parameter(query, "operation"):
                case "GetCACert":
                    certificate = self._requests.ca_certificate(_parameter(query, "message"))
                    return Answer(200, certificate, "application/x-x509-ca-cert")
                case "GetCACaps":
                    return Answer(200, scep.CAPABILITIES, "text/plain")
                case "PKIOperation":
                    reply = await self._requests.operate(await _message(scope, receive, query))
                    return Answer(200, reply, "application/x-pki-message")
                case _:
                    return Answer(400, reason="SCEP: operation must be GetCACert, GetCACaps or PKIOperation.")
        except ScepError as error:
            return Answer(400, reason=f"SCEP: {error}.")
        except BodyTooLarge:
            return Answer(413, reason="SCEP: the message is larger than 64 KiB.")
        except ClientGone:
            return None
        except (OverCapacity, StoreUnavailable) as error:
            return Answer(503, reason=str(error))
        except Exception:
            lines.scep_failed()
            return Answer(503, reason="SCEP: the request failed here; try again later.")


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
