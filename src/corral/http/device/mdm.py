"""`/mdm` and `/checkin`: from a request to its answer. Every device comes here for everything that it says."""

from corral.http.asgi import BodyTooLarge, ClientGone, Receive, Scope, header
from corral.http.device.accounts.gate import Gate
from corral.http.device.answers import Direct, Reply
from corral.http.device.bodies import Bodies, MadeRoom
from corral.http.device.identity_source import IdentitySource, present
from corral.lifecycle.change import Answer
from corral.logs import lines
from corral.pki.identity import IdentityError
from corral.service.mdm.channel import Channel
from corral.service.mdm.checkin import CheckIn
from corral.service.mdm.identifying import Identifying
from corral.store.errors import StoreUnavailable

CHECKIN_TYPE = b"application/x-apple-aspen-mdm-checkin"

KIND_LINE = Answer(
    200,
    b"This is the address that managed Apple devices report to. There is nothing to see here for a browser.\n",
    "text/plain; charset=utf-8",
)
TOO_LARGE = Answer(413, reason="The message is larger than this service takes.")
TOO_SLOW = Answer(408, reason="The message took too long to arrive while others were waiting.")
BUSY = Answer(503, reason="Corral is at its capacity; try again later.")
UNAVAILABLE = Answer(503, reason="Corral cannot reach its database; try again later.")
FAILED = Answer(503, reason="Corral failed at this message, and keeps nothing of it; try again later.")
WRONG_METHOD = Answer(405, reason="Devices send PUT requests here.")


class MdmRoute:
    """Answers both kinds of message at one address; `/checkin` takes check-ins only."""

    def __init__(
        self,
        checkin: CheckIn,
        channel: Channel,
        identifying: Identifying,
        source: IdentitySource,
        max_body: int,
        max_requests: int,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        self._checkin = checkin
        self._channel = channel
        self._identifying = identifying
        self._source = source
        self._max_body = max_body
        self._max_requests = max_requests
        self._under_way = 0
        self._bodies = Bodies()

    def serving(self, *, checkin_only: bool = False) -> Direct:
        async def serve(scope: Scope, receive: Receive) -> Reply | None:
            if self._under_way >= self._max_requests and not self._bodies.make_room():
                return BUSY
            self._under_way += 1
            try:
                return await self._answer(scope, receive, checkin_only)
            finally:
                self._under_way -= 1

        return serve

    async def _answer(self, scope: Scope, receive: Receive, checkin_only: bool) -> Reply | None:
        method = scope["method"]
        if method in ("GET", "HEAD"):
            return KIND_LINE
        if method not in ("PUT", "POST"):
            return WRONG_METHOD
        try:
            body = await self._bodies.read(scope, receive, self._max_body)
            presented = present(self._source, scope, body)
            identity = self._identifying.identify(presented.certificate, presented.intermediates)
            if isinstance(identity, str):
                return Answer(400, reason=f"Not identified: {identity}.")
            if self._gate is not None and (challenge := await self._gate.examine(scope, identity)) is not None:
                return challenge
            if checkin_only or _is_checkin(scope, body):
                return await self._checkin.answer(body, identity)
            return await self._channel.answer(body, identity)
        except BodyTooLarge:
            return TOO_LARGE
        except MadeRoom:
            return TOO_SLOW
        except ClientGone:
            return None
        except IdentityError as error:
            return Answer(400, reason=f"Not identified: {error}.")
        except StoreUnavailable as error:
            lines.device_store_unavailable(why=str(error))
            return UNAVAILABLE
        except Exception:
            # Whatever went wrong is ours, not the device's: it keeps its message and sends it again.
            lines.device_failed(path=scope["path"])
            return FAILED


def _is_checkin(scope: Scope, body: bytes) -> bool:
    """By Content-Type, and where that is absent by what only a check-in has."""
    content_type = header(scope, b"content-type")
    if content_type is None:
        return b"<key>MessageType</key>" in body
    return content_type.startswith(CHECKIN_TYPE)
