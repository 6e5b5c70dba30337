"""In-house apps: kept, found by id or by the newest of a bundle id, forgotten."""

from typing import Any

from contract import values as v
from corral.lifecycle.change import Event
from corral.store.apps import AppKind, StoredApp
from corral.store.store import Store


def app(id: str = "a1", **fields: Any) -> StoredApp:
    plain: dict[str, Any] = {
        "id": id,
        "kind": AppKind.MOBILE,
        "bundle_id": "org.example.app",
        "version": "1.0",
        "title": "Example",
        "minimum_os": "16.0",
        "manifest": b"<plist>manifest</plist>",
        "created_at": v.NOW,
        "created_by": "ann",
    }
    return StoredApp(**{**plain, **fields})


ADDED = Event(type="app.added", at=v.NOW)


async def test_an_app_is_found_by_its_id_and_the_newest_by_its_bundle_id(store: Store) -> None:
    old, new = app(), app("a0", version="2.0", created_at=v.NOW + 1)
    other = app("a2", bundle_id="org.example.other", manifest=b"", manifest_url="https://example.org/manifest.plist")
    for each in (old, new, other):
        await store.apps.add(each, ADDED)
    assert await store.apps.find("a1") == old
    assert await store.apps.find("org.example.app") == new
    assert await store.apps.find("nothing") is None
    assert await store.apps.apps("", 2) == (new, old)
    assert await store.apps.apps("a1", 2) == (other,)
    assert [each.event.type for each in await store.events.read(0, 9)] == ["app.added"] * 3


async def test_an_app_that_is_forgotten_is_gone(store: Store) -> None:
    await store.apps.add(app(), ADDED)
    await store.apps.remove("a1", Event(type="app.removed", at=v.NOW))
    assert await store.apps.find("a1") is None
