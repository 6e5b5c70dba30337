"""Devices are plausible, repeatable, and none like the other."""

import re
from random import Random

import pytest

from corral.apple.platform import platform_of
from corral.simulator.facts import Model, make_facts

UDIDS = {
    Model.IPHONE: r"0000[0-9A-F]{4}-[0-9A-F]{16}|[0-9a-f]{40}",
    Model.IPAD: r"0000[0-9A-F]{4}-[0-9A-F]{16}",
    Model.MAC: r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}",
    Model.APPLE_TV: r"0000[0-9A-F]{4}-[0-9A-F]{16}",
    Model.VISION: r"0000[0-9A-F]{4}-[0-9A-F]{16}",
    Model.WATCH: r"0000[0-9A-F]{4}-[0-9A-F]{16}",
}


@pytest.mark.parametrize("model", list(Model))
def test_every_model_has_the_identifiers_of_its_kind(model: Model) -> None:
    random = Random(1)
    for number in range(50):
        facts = make_facts(random, model, number=number)
        assert re.fullmatch(UDIDS[model], facts.udid)
        assert re.fullmatch(r"[A-Z0-9]{10}|[A-Z0-9]{12}", facts.serial_number)
        assert platform_of(facts.product_name) is facts.platform
        assert (facts.imei is not None) == (model is Model.IPHONE)


def test_the_same_seed_makes_the_same_devices() -> None:
    assert [make_facts(Random(7), number=n) for n in range(5)] == [make_facts(Random(7), number=n) for n in range(5)]


def test_the_number_makes_a_device_another() -> None:
    for model in Model:
        assert len({make_facts(Random(7), model, number=number).udid for number in range(1000)}) == 1000


def test_an_imei_passes_the_check_of_luhn() -> None:
    imei = make_facts(Random(3), Model.IPHONE).imei
    assert imei is not None
    doubled = [sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(imei)]
    assert sum(doubled) % 10 == 0


def test_a_system_version_can_be_asked_for() -> None:
    facts = make_facts(Random(0), Model.IPHONE, os_version="16.7.10")
    assert (facts.os_version, facts.build_version) == ("16.7.10", "20H350")
    assert make_facts(Random(0), Model.MAC, os_version="12.6").os_version == "12.6"
