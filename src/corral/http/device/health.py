"""`/livez` and `/readyz`: whether the process runs, and whether it can serve; both say why not."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from corral.store.errors import StoreUnavailable
from corral.store.store import Store


class Health:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def livez(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def readyz(self, request: Request) -> Response:
        del request
        try:
            await self._store.ready()
        except StoreUnavailable as error:
            return PlainTextResponse(f"database: {error}\n", 503, headers={"retry-after": "5"})
        return PlainTextResponse("ok\n")
