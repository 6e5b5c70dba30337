"""The vocabulary over the API: events are valid by the schemas that it gives."""

from corral.lifecycle.vocabulary import VOCABULARY
from event_schemas import violations
from inprocess import Installation


async def test_all_types_are_listed(installation: Installation) -> None:
    listed = (await installation.get("/event-types"))["event_types"]
    assert [each["type"] for each in listed] == list(VOCABULARY)


async def test_events_are_as_the_served_schemas_say(installation: Installation) -> None:
    device = await installation.device()
    await installation.post("/links", {"note": "for the test"})
    await installation.post(f"/devices/{device}/block", {"reason": "lost"})
    events = (await installation.get("/events"))["events"]
    assert {"link.created", "device.blocked"} <= {each["type"] for each in events}
    for each in events:
        schema = (await installation.get(f"/event-types/{each['type']}"))["schema"]
        assert not violations(schema, each)


async def test_a_type_that_is_none_is_told_with_what_is_like_it(installation: Installation) -> None:
    response = await installation.api.get("/event-types/link.creatd")
    assert response.status_code == 404
    assert "link.created" in response.json()["detail"]
