"""Status, events, breaker, tokens, authority and push certificates over the API."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from prometheus_client.parser import text_string_to_metric_families

from corral import __version__
from corral.lifecycle.change import Change
from corral.lifecycle.state import Phase
from inprocess import START, TOPIC, Installation


async def test_the_status_counts_connections_and_names_topics(installation: Installation) -> None:
    await installation.device()
    await installation.device(Phase.ENDED)
    await installation.push_certificate()
    status = await installation.get("/status")
    assert status["connections"] == {"connected": 1, "ended": 1}
    assert status["topics"] == {TOPIC: 1}
    (push,) = status["push_certificates"]
    assert (push["topic"], push["apple_account"], push["stopped"]) == (TOPIC, "owner@example.org", "")
    assert status["breaker_opened_at"] is None


async def test_events_are_read_after_a_cursor(installation: Installation) -> None:
    for note in ("one", "two", "three"):
        await installation.post("/links", {"note": note})
    made = await installation.get("/events", limit=1)  # the first administrator's token
    first = await installation.get("/events", after=made["next"], limit=2)
    second = await installation.get("/events", after=first["next"])
    third = await installation.get("/events", after=second["next"])
    assert [each["data"]["note"] for page in (first, second) for each in page["events"]] == ["one", "two", "three"]
    assert third == {"events": [], "next": second["next"]}
    for path in ("/events", "/events/stream"):
        ahead = await installation.api.get(path, params={"after": second["next"] + 1})
        assert ahead.status_code == 409, "the reader knows another history, and would miss some of this one"
        assert f"the last one is {second['next']}" in ahead.json()["detail"]


async def test_the_breaker_is_closed_by_a_person_and_that_is_an_event(installation: Installation) -> None:
    assert await installation.get("/breaker") == {"open": False, "opened_at": None}
    assert (await installation.api.post("/breaker/close")).status_code == 409
    await installation.corral.store.devices.commit(Change(trip_breaker=True, at=START))
    assert (await installation.get("/breaker"))["open"] is True
    assert await installation.post("/breaker/close") == {"open": False, "opened_at": None}
    event = (await installation.get("/events"))["events"][-1]
    assert (event["type"], event["data"]) == ("breaker.closed", {"by": "local administrator"})


async def test_the_authority_shows_its_certificate_and_no_key(installation: Installation) -> None:
    shown = await installation.get("/authority")
    certificate = x509.load_pem_x509_certificate(shown["certificate"].encode())
    assert certificate.subject.rfc4514_string() == shown["subject"]
    assert "PRIVATE" not in str(shown)


async def test_a_token_is_shown_once_and_listed_without_itself(installation: Installation) -> None:
    made = await installation.post("/tokens", {"name": "Ada", "role": "viewer", "expires_in": 60})
    assert made["token"].startswith("corral_")
    response = await installation.api.get("/tokens")
    assert made["token"] not in response.text
    listed = {each["name"]: each for each in response.json()["tokens"]}
    assert listed["Ada"]["valid"] is True
    installation.now += 60_000
    listed = {each["name"]: each for each in (await installation.get("/tokens"))["tokens"]}
    assert (listed["Ada"]["valid"], listed["first administrator"]["valid"]) == (False, True)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}]
)
async def test_a_token_needs_a_name_and_a_future(body: dict[str, str], installation: Installation) -> None:
    assert (await installation.api.post("/tokens", json=body)).status_code == 422


async def test_revoking_twice_is_404(installation: Installation) -> None:
    made = await installation.post("/tokens", {"name": "Ada", "role": "operator"})
    await installation.delete(f"/tokens/{made['credential']['id']}")
    assert (await installation.api.delete(f"/tokens/{made['credential']['id']}")).status_code == 404


async def test_a_push_certificate_goes_from_request_to_use(installation: Installation) -> None:
    asked = await installation.post("/push-certificates/request", {"common_name": "Example", "country": "de"})
    request = x509.load_pem_x509_csr(asked["csr"].encode())
    assert isinstance(request.public_key(), rsa.RSAPublicKey)
    assert request.subject.rfc4514_string() == "C=DE,CN=Example"
    imported = await installation.push_certificate()
    assert (imported["topic"], imported["apple_account"]) == (TOPIC, "owner@example.org")
    assert (await installation.get("/push-certificates"))["push_certificates"] == [imported]


async def test_another_topic_is_refused_with_the_number_of_those_it_would_lose(installation: Installation) -> None:
    await installation.push_certificate()
    await installation.device()
    with pytest.raises(AssertionError, match=r"422 .*1 channels depend"):
        await installation.push_certificate("com.apple.mgmt.External.another")


@pytest.mark.parametrize("certificate", ["no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
async def test_a_broken_certificate_is_refused_in_one_line(certificate: str, installation: Installation) -> None:
    await installation.post("/push-certificates/request", {"common_name": "x"})
    response = await installation.api.post("/push-certificates", json={"certificate": certificate})
    assert response.status_code == 422
    assert "\n" not in response.json()["detail"]


async def test_metrics_say_how_things_stand(installation: Installation) -> None:
    device = await installation.device()
    await installation.push_certificate()
    await installation.post("/commands", {"devices": [device], "request_type": "ProfileList"})
    answer = await installation.api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["corral_connections", "connected"] == 1
    assert found["corral_topic_channels", TOPIC] == 1
    assert found["corral_topic_channels", "other"] == 0
    assert found["corral_commands_open",] == 1
    assert found["corral_commands_open_oldest_age_seconds",] >= 0
    assert found["corral_breaker_open",] == 0
    assert found["corral_push_certificate_expiry_timestamp_seconds", TOPIC] > START / 1000
    assert found["corral_authority_expiry_timestamp_seconds",] > START / 1000
    assert found["corral_expiry_timestamp_seconds", "push certificate", TOPIC] > START / 1000
    assert {name[1] for name in found if name[0] == "corral_expiry_timestamp_seconds"} >= {"authority"}
    assert found["corral_info", __version__] == 1
    assert found["corral_http_request_duration_seconds_count", "api", "201"] >= 0


async def test_topics_that_devices_make_up_are_no_labels(installation: Installation) -> None:
    for number in range(3):
        await installation.device(model=f"no label {number}")
    text = (await installation.api.get("/metrics")).text
    assert TOPIC not in text, "there is no certificate for it"
    assert "no label" not in text
    assert 'corral_topic_channels{topic="other"} 3.0' in text
