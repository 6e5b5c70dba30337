"""Enrollment links over the API."""

import plistlib

import pytest

from corral.lifecycle.state import DAY
from corral.pki import cms
from inprocess import TOPIC, Installation


async def test_a_link_is_made_for_one_device_and_a_week(installation: Installation) -> None:
    made = await installation.post("/links", {})
    link = made["link"]
    assert made["url"].startswith("https://mdm.example.org/enroll/")
    assert (link["uses"], link["used"], link["closed"]) == (1, 0, "")
    assert link["expires_at"] == "2026-09-28T14:13:20Z"


async def test_it_is_made_as_asked(installation: Installation) -> None:
    asked = {"uses": None, "expires_in": 3600, "serial_number": "S1", "device_id": "D1", "note": "for Ada"}
    link = (await installation.post("/links", asked))["link"]
    assert (link["uses"], link["serial_number"], link["device_id"], link["note"]) == (None, "S1", "D1", "for Ada")
    assert link["expires_at"] == "2026-09-21T15:13:20Z"
    assert await installation.get(f"/links/{link['id']}") == link


async def test_its_url_is_shown_once(installation: Installation) -> None:
    made = await installation.post("/links", {})
    token = made["url"].rpartition("/")[2]
    for path in ("/links", f"/links/{made['link']['id']}", "/events"):
        assert token not in (await installation.api.get(path)).text


async def test_links_are_listed_newest_first_page_by_page(installation: Installation) -> None:
    made: list[str] = []
    for _ in range(5):
        installation.now += 1000
        made.insert(0, (await installation.post("/links", {}))["link"]["id"])
    first = await installation.get("/links", limit=2)
    second = await installation.get("/links", limit=2, before=first["next"])
    third = await installation.get("/links", limit=2, before=second["next"])
    pages = [[each["id"] for each in page["links"]] for page in (first, second, third)]
    assert pages == [made[:2], made[2:4], made[4:]]
    assert third["next"] is None
    assert (await installation.api.get("/links", params={"before": first["links"][0]["id"]})).status_code == 422


async def test_a_withdrawn_link_says_so(installation: Installation) -> None:
    link = (await installation.post("/links", {}))["link"]["id"]
    await installation.delete(f"/links/{link}")
    assert "withdrawn" in (await installation.get(f"/links/{link}"))["closed"]
    again = await installation.api.delete(f"/links/{link}")
    assert again.status_code == 404


async def test_its_profile_is_signed_unless_asked_otherwise(installation: Installation) -> None:
    await installation.push_certificate()
    link = (await installation.post("/links", {}))["link"]["id"]
    response = await installation.api.post(f"/links/{link}/profile", json={})
    assert response.headers["content-type"] == "application/x-apple-aspen-config"
    assert not response.content.startswith(b"<?xml")
    signed, _ = cms.verify_attached(response.content)
    plain = (await installation.api.post(f"/links/{link}/profile", json={"signed": False})).content
    profile = plistlib.loads(plain)
    mdm = next(each for each in profile["PayloadContent"] if each["PayloadType"] == "com.apple.mdm")
    assert mdm["Topic"] == TOPIC
    assert plistlib.loads(signed)["PayloadIdentifier"] == profile["PayloadIdentifier"]
    assert signed != plain, "each profile has a challenge of its own"


@pytest.mark.parametrize("end", ["expired", "withdrawn"])
async def test_a_closed_link_gives_no_profile(end: str, installation: Installation) -> None:
    await installation.push_certificate()
    link = (await installation.post("/links", {}))["link"]["id"]
    if end == "expired":
        installation.now += 8 * DAY
    else:
        await installation.delete(f"/links/{link}")
    response = await installation.api.post(f"/links/{link}/profile", json={})
    assert response.status_code == 409
    assert end in response.json()["detail"]


async def test_without_a_push_certificate_the_remedy_is_told(installation: Installation) -> None:
    link = (await installation.post("/links", {}))["link"]["id"]
    response = await installation.api.post(f"/links/{link}/profile", json={})
    assert response.status_code == 422
    assert "push-cert request" in response.json()["detail"]
