"""`/acme/...`: RFC 8555 over HTTP, a plain face over `service.acme`."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from corral.http.asgi import BodyTooLarge, ClientGone, read_body
from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder, OrderStatus
from corral.logs import lines
from corral.pki.acme import problem
from corral.pki.acme.problem import Kind, Problem
from corral.pki.acme.request import MAX_REQUEST
from corral.service.acme.callers import Callers
from corral.service.acme.nonces import Nonces
from corral.service.acme.ordering import IDENTIFIER, Ordering
from corral.service.authorities.authorities import Authorities
from corral.service.clock import to_datetime
from corral.service.errors import OverCapacity
from corral.store.errors import StoreUnavailable

PREFIX: Final = "/acme"
_JOSE: Final = "application/jose+json"
_RETRY_AFTER: Final = "30"

Verb = Callable[[Request, bytes], Awaitable[Response]]


class AcmeRoutes:
    """`base` is the public URL of `/acme`."""

    def __init__(
        self, base: str, authorities: Authorities, nonces: Nonces, callers: Callers, ordering: Ordering
    ) -> None:
        self._base = base
        self._authorities = authorities
        self._nonces = nonces
        self._callers = callers
        self._ordering = ordering

    def routes(self) -> list[Route]:
        def post(path: str, verb: Verb) -> Route:
            return Route(PREFIX + path, self._signed(verb), methods=["POST"])

        return [
            Route(PREFIX + "/directory", self._directory, methods=["GET"]),
            Route(PREFIX + "/new-nonce", self._new_nonce, methods=["GET", "HEAD"]),
            post("/new-account", self._new_account),
            post("/account/{account}", self._account),
            post("/new-order", self._new_order),
            post("/order/{order}", self._order),
            post("/authorization/{order}", self._authorization),
            post("/challenge/{order}", self._challenge),
            post("/finalize/{order}", self._finalize),
            post("/certificate/{order}", self._certificate),
        ]

    async def _directory(self, request: Request) -> Response:
        del request
        names = {"newNonce": "new-nonce", "newAccount": "new-account", "newOrder": "new-order"}
        return self._json(200, {name: f"{self._base}/{path}" for name, path in names.items()})

    async def _new_nonce(self, request: Request) -> Response:
        return self._reply(Response(status_code=200 if request.method == "HEAD" else 204))

    async def _new_account(self, request: Request, body: bytes) -> Response:
        account, is_new = await self._callers.register(body, _path(request))
        location = {"location": f"{self._base}/account/{account.id}"}
        return self._json(201 if is_new else 200, _account(account), location)

    async def _account(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        if caller.account.id != request.path_params["account"]:
            raise Problem(Kind.UNAUTHORIZED, "This is another account.")
        return self._json(200, _account(caller.account))

    async def _new_order(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        order = await self._ordering.begin(caller)
        return self._json(201, self._order_document(order), {"location": self._url("order", order)})

    async def _order(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        return self._order_reply(await self._ordering.find(caller, request.path_params["order"]))

    async def _authorization(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        order = await self._ordering.find(caller, request.path_params["order"])
        return self._json(
            200,
            {
                "status": _proof_status(order),
                "expires": _time(order.expires_at),
                "identifier": {"type": IDENTIFIER, "value": order.identifier},
                "challenges": [self._challenge_document(order)],
            },
        )

    async def _challenge(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        order = await self._ordering.prove(caller, request.path_params["order"])
        up = {"link": f'<{self._url("authorization", order)}>;rel="up"'}
        return self._json(200, self._challenge_document(order), up)

    async def _finalize(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        return self._order_reply(await self._ordering.finalize(caller, request.path_params["order"]))

    async def _certificate(self, request: Request, body: bytes) -> Response:
        caller = await self._callers.identify(body, _path(request))
        der = await self._ordering.certificate(caller, request.path_params["order"])
        issuer = self._authorities.roster.issuer_of(der)
        chain = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) + issuer.certificate_pem()
        return self._reply(Response(chain, media_type="application/pem-certificate-chain"))

    def _signed(self, verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        """Every refusal is a problem document with the next nonce, so that the client can go on."""

        async def answer(request: Request) -> Response:
            try:
                if request.headers.get("content-type", "").partition(";")[0].strip() != _JOSE:
                    raise Problem(Kind.MALFORMED, f"The Content-Type must be {_JOSE}.", 415)
                body = await read_body(request.scope, request.receive, MAX_REQUEST)
                return await verb(request, body)
            except Problem as refused:
                return self._problem(refused)
            except BodyTooLarge:
                return self._problem(Problem(Kind.MALFORMED, f"The request has more than {MAX_REQUEST} bytes.", 413))
            except ClientGone:
                return Response(status_code=400)
            except (OverCapacity, StoreUnavailable) as error:
                return self._problem(Problem(Kind.SERVER_INTERNAL, str(error)))
            except Exception:
                lines.acme_failed()
                return self._problem(Problem(Kind.SERVER_INTERNAL, "The request failed here; try again later."))

        return answer

    def _order_reply(self, order: AcmeOrder) -> Response:
        more = {"location": self._url("order", order)}
        if order.status is OrderStatus.PROCESSING:
            more["retry-after"] = "1"
        return self._json(200, self._order_document(order), more)

    def _order_document(self, order: AcmeOrder) -> dict[str, object]:
        document: dict[str, object] = {
            "status": order.status.value,
            "expires": _time(order.expires_at),
            "identifiers": [{"type": IDENTIFIER, "value": order.identifier}],
            "authorizations": [self._url("authorization", order)],
            "finalize": self._url("finalize", order),
        }
        if order.status is OrderStatus.VALID:
            document["certificate"] = self._url("certificate", order)
        if order.refusal:
            document["error"] = Problem(Kind.UNAUTHORIZED, order.refusal).document()
        return document

    def _challenge_document(self, order: AcmeOrder) -> dict[str, object]:
        document: dict[str, object] = {
            "type": "device-attest-01",
            "url": self._url("challenge", order),
            "status": _proof_status(order),
            "token": order.token,
        }
        if order.refusal and not order.request_digest:
            document["error"] = Problem(Kind.BAD_ATTESTATION, order.refusal).document()
        return document

    def _url(self, what: str, order: AcmeOrder) -> str:
        return f"{self._base}/{what}/{order.id}"

    def _problem(self, refused: Problem) -> Response:
        more = {"retry-after": _RETRY_AFTER} if refused.status in (429, 503) else {}
        return self._json(refused.status, refused.document(), more, problem.CONTENT_TYPE)

    def _json(
        self, status: int, document: object, more: dict[str, str] | None = None, kind: str = "application/json"
    ) -> Response:
        return self._reply(Response(msgspec.json.encode(document), status, more, kind))

    def _reply(self, response: Response) -> Response:
        response.headers["replay-nonce"] = self._nonces.make()
        response.headers["cache-control"] = "no-store"
        response.headers.append("link", f'<{self._base}/directory>;rel="index"')
        return response


def _path(request: Request) -> str:
    """What follows the base; the router has matched it, so it begins with the prefix."""
    return str(request.scope["path"]).removeprefix(PREFIX)


def _account(account: AcmeAccount) -> dict[str, object]:
    del account
    return {"status": "valid"}


def _proof_status(order: AcmeOrder) -> str:
    """Of the authorization and its challenge: what was proven stays so, whatever the certificate request comes to."""
    match order.status:
        case OrderStatus.PENDING:
            return "pending"
        case OrderStatus.INVALID if not order.request_digest:
            return "invalid"
        case _:
            return "valid"


def _time(at: int) -> str:
    return f"{to_datetime(at):%Y-%m-%dT%H:%M:%SZ}"
