"""The demo's part about enrolling with an account: a person signs in on a phone of her own."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding

from corral.cli.api_operator import ApiOperator
from corral.simulator.account_driven import enroll_with_account
from corral.simulator.browser import Browser
from corral.simulator.device import Device
from corral.simulator.factory import Factory
from corral.simulator.fetching import InstallationFailed
from corral.simulator.identity_provider import IdentityProvider, Someone
from corral.simulator.push_certificates import StandInApple
from corral.simulator.scenarios import ScenarioFailed

ACCOUNT = "ada@example.org"
_PASSWORD = "correct horse battery staple"  # noqa: S105 - of nobody


def with_ada(provider: IdentityProvider, url: str) -> str:
    """She has an account there, and Corral at `url` is registered; the settings that go with it."""
    provider.people[ACCOUNT] = Someone(_PASSWORD, {"email": ACCOUNT, "email_verified": True})
    provider.redirect_uris.add(f"{url}/account/callback")
    return (
        f'oidc_issuer = "{provider.issuer}"\noidc_client_id = "{provider.client_id}"\n'
        f'oidc_client_secret = "{provider.client_secret}"\n'
        'outgoing_networks = ["127.0.0.0/8"]\naccount_domains = ["example.org"]\n'
    )


async def sign_in(operator: ApiOperator, root: StandInApple, device: Device, url: str) -> str:
    """She types her address into the phone's settings, signs in, and the phone is managed as her own."""
    now = datetime.now(UTC)
    factory = Factory.make(root.devices, device.facts.udid, now)
    trust = device.world.trust.and_roots((root.certificate.public_bytes(Encoding.DER),))
    browser = Browser(trust, {"login": ACCOUNT, "password": _PASSWORD})
    try:
        profile, bearer = await enroll_with_account(device.voice, ACCOUNT, browser, factory.sign, trust, url)
        device.voice.bearer = bearer.access
        await device.enroll(profile)
    except InstallationFailed as failure:
        raise ScenarioFailed(f"a phone could not enroll with an account: {failure}") from None
    await device.settle()
    if device.enrollment is None:
        raise ScenarioFailed("the phone left again")
    identifier = device.enrollment.device.names["EnrollmentID"]
    shown = await operator.look(identifier)
    if shown is None or shown.phase != "connected":
        raise ScenarioFailed("the phone is not connected")
    told = await operator.call("GET", f"/devices/{identifier}")
    if told["device"]["serial_number"] is not None:
        raise ScenarioFailed("the service knows the serial number of a person's own phone")
    return f"{ACCOUNT} signed in, and her own phone is managed; its serial number stays her secret"
