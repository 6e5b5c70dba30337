"""Manifests of in-house apps, for devices that were told their address."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from corral.service.apps.apps import Apps
from corral.store.errors import StoreUnavailable


class AppManifests:
    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    async def show(self, request: Request) -> Response:
        try:
            found = await self._apps.manifest(request.path_params["app"], request.path_params["proof"])
        except StoreUnavailable as error:
            return PlainTextResponse(f"{error}\n", 503, headers={"retry-after": "30"})
        if found is None:
            return PlainTextResponse("There is no such manifest.\n", 404)
        return Response(found, media_type="application/xml", headers={"cache-control": "no-store"})
