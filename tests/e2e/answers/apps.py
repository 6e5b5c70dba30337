"""Rows 90 and 91: manifests of in-house apps."""

from urllib.parse import urlsplit

from corral.apple.app_manifest import read_manifest
from e2e.answers.register import Stage, row

PACKAGE = {"url": "https://files.example.org/a.ipa", "size": 1, "chunk_size": 1, "sha256s": ["0" * 64]}


async def _app(stage: Stage) -> tuple[str, str]:
    """A new app: its id, and the path of its manifest."""
    named = {"kind": "mobile", "bundle_id": "org.example.answers", "version": "1", "title": "Answers"}
    app = await stage.corral.post("/apps", **named, package=PACKAGE)
    url: str = app["manifest_url"]
    return app["id"], urlsplit(url).path


async def _get(stage: Stage, path: str) -> tuple[int, bytes]:
    response = await stage.corral.transport.request("GET", stage.corral.url + path, trust=stage.corral.trust)
    return response.status, response.body


@row(90)
async def a_manifest(stage: Stage) -> None:
    _, path = await _app(stage)
    status, body = await _get(stage, path)
    assert status == 200
    assert read_manifest(body).bundle_id == "org.example.answers"


@row(91)
async def no_manifest(stage: Stage) -> None:
    app, path = await _app(stage)
    guessed = "/apps/" + app + "/" + "0" * 40 + "/manifest.plist"
    assert (await _get(stage, guessed))[0] == 404
    await stage.corral.delete(f"/apps/{app}")
    assert (await _get(stage, path))[0] == 404
