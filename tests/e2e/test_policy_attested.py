"""The admission policy knows what Apple attested of a device when it begins its connection: whole processes.

Apple: "Managed Device Attestation". The installation gives out SCEP profiles; rules ask for ACME.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from corral.simulator.attesting import SECURE_BOOT, AttestationServer
from corral.simulator.device import Device
from corral.simulator.facts import Model
from corral.simulator.fetching import InstallationFailed
from corral.simulator.setup_assistant import set_up
from corral.simulator.world import State
from e2e.factory import automated, made, ruled, told
from e2e.installation import Installation

ATTESTED: dict[str, Any] = {"when": {"attested": {}, "assigned": None}, "then": {"do": "admit", "identity": "acme"}}
NOBODY_ELSE = {"when": {"assigned": None}, "then": {"do": "decline"}}


@dataclass(frozen=True, slots=True, eq=False)
class Saying(AttestationServer):
    """One that says something else of every device."""

    otherwise: Mapping[str, bytes | None]

    def attest(
        self,
        key: ec.EllipticCurvePublicKey,
        said: Mapping[str, bytes],
        now: datetime,
        *,
        valid: timedelta = timedelta(days=365),
    ) -> tuple[bytes, ...]:
        changed = {oid: value for oid, value in {**said, **self.otherwise}.items() if value is not None}
        return super(Saying, self).attest(key, changed, now, valid=valid)


def saying(at: Installation, device: Device, **otherwise: bytes | None) -> Device:
    server = at.template.attester
    oids = {"secure_boot": SECURE_BOOT}
    other = Saying(server.root, server.between, server.key, {oids[name]: value for name, value in otherwise.items()})
    device.world = replace(device.world, attester=other)
    return device


async def test_whoever_attests_comes_in_by_a_link_and_nobody_else(corral: Installation) -> None:
    device, link, before = corral.device(), await corral.link(), await corral.cursor()
    old = corral.device(Model.MAC, "13.7.1")
    async with ruled(corral, ATTESTED, NOBODY_ELSE):
        with pytest.raises(InstallationFailed):
            await old.enroll(link)
        await device.enroll(link)
    assert (old.state, device.state) == (State.NOT_ENROLLED, State.ENROLLED)
    shown = await corral.get(f"/devices/{device.facts.udid}")
    assert shown["certificates"][0]["attested"]["serial_number"] == device.facts.serial_number
    assert not await told(corral, before, "enrollment.refused")


async def test_who_gets_a_certificate_without_attesting_is_refused_at_its_first_message(corral: Installation) -> None:
    """A profile that was given out before the rule: its certificate is by SCEP, and nothing is attested."""
    device, link, before = corral.device(), await corral.link(), await corral.cursor()
    profile = (await corral.transport.request("GET", f"{link}/profile", trust=corral.trust)).body
    async with ruled(corral, ATTESTED, NOBODY_ELSE):
        with pytest.raises(InstallationFailed, match="403"):
            await device.enroll(profile)
    (refused,) = await told(corral, before, "connection.refused")
    assert refused["why"] == "the policy declines it (rule r2)"
    timeline = await corral.get(f"/devices/{device.facts.udid}/timeline")
    assert [each["data"]["type"] for each in timeline["entries"]] == ["connection.refused"]


async def test_a_mac_that_starts_anything_is_not_let_in_automatically(corral: Installation) -> None:
    lax = {
        "when": {"attested": {"secure_boot": ["reduced", "permissive"]}, "assigned": None},
        "then": {"do": "decline"},
    }
    by_acme = {"when": {"family": ["Mac"], "assigned": None}, "then": {"do": "admit", "identity": "acme"}}
    said = {"full": b"Full Security", "reduced": b"Reduced Security", "silent": None}
    macs = {name: saying(corral, corral.device(Model.MAC, "15.2"), secure_boot=each) for name, each in said.items()}
    async with ruled(corral, lax, by_acme):
        for name, mac in macs.items():
            if name == "reduced":
                with pytest.raises(InstallationFailed, match="403"):
                    await set_up(mac, made(corral, mac), automated(corral))
            else:
                await set_up(mac, made(corral, mac), automated(corral))
    assert {name: mac.state for name, mac in macs.items()} == {
        "full": State.ENROLLED,
        "reduced": State.NOT_ENROLLED,
        "silent": State.ENROLLED,
    }


async def test_the_attested_system_counts_whatever_the_device_says(corral: Installation) -> None:
    device, link = corral.device(os_version="17.6.1"), await corral.link()
    old = {"when": {"attested": {"os_below": "18.2"}}, "then": {"do": "decline"}}
    by_acme = {"when": {"kind": ["link"]}, "then": {"do": "admit", "identity": "acme"}}
    async with ruled(corral, old, by_acme):
        with pytest.raises(InstallationFailed, match="403"):
            await device.enroll(link)
        await corral.device(os_version="18.2").enroll(link)
