import importlib.util
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import pytest

from corral.apple.catalog import KeySpec, enrollment_errors, payload_spec, spec, specs
from corral.apple.platform import Platform, version

ROOT = Path(__file__).resolve().parents[3]
TYPES = {"string", "integer", "real", "boolean", "data", "date", "array", "dictionary", "any"}


def every(keys: Iterable[KeySpec]) -> Iterable[KeySpec]:
    for key in keys:
        yield key
        yield from every(key.keys)


def test_there_are_commands_and_each_is_found_by_its_name() -> None:
    assert len(specs()) >= 68
    for facts in specs():
        assert spec(facts.request_type) is facts
        assert facts.platforms
    assert spec("Explode") is None
    assert payload_spec("com.example.none") is None


def test_versions_types_and_rights_are_what_the_check_understands() -> None:
    for facts in specs():
        for availability in facts.platforms.values():
            for each in (availability.introduced, availability.deprecated, availability.removed):
                assert each is None or version(each)
            assert availability.introduced is not None
            assert 0 <= availability.access_rights <= 8191
        for key in every(facts.keys):
            assert key.type in TYPES
            for availability in key.platforms.values():
                assert availability is None or availability.introduced is None or version(availability.introduced)


@pytest.mark.parametrize(
    ("request_type", "rights"),
    [
        ("EraseDevice", 8),
        ("DeviceLock", 4),
        ("InstallProfile", 2),
        ("ProfileList", 1),
        ("Settings", 2048),
        ("DeviceConfigured", 0),
    ],
)
def test_access_rights_of_well_known_commands(request_type: str, rights: int) -> None:
    facts = spec(request_type)
    assert facts is not None
    assert facts.access_rights == rights


def test_facts_of_one_command_in_full() -> None:
    facts = spec("EraseDevice")
    assert facts is not None
    assert set(facts.platforms) == set(Platform)
    phone, mac = facts.platforms[Platform.IOS], facts.platforms[Platform.MACOS]
    assert (phone.introduced, mac.introduced, mac.user_channel, mac.user_enrollment) == (
        "4.0",
        "10.7",
        False,
        "forbidden",
    )
    keys = {key.name: key for key in facts.keys}
    assert keys["PIN"].platforms[Platform.IOS] is None
    assert keys["ObliterationBehavior"].rangelist[0] == "Default"
    retry = next(key for key in keys["ReturnToService"].keys if key.name == "ShouldRetryEnrollment")
    assert retry.default is False
    assert retry.platforms[Platform.IOS] is not None


def test_payloads_that_are_described_in_parts_have_all_their_keys() -> None:
    mdm = payload_spec("com.apple.mdm")
    assert mdm is not None
    assert {"Topic", "ServerURL", "IdentityCertificateUUID"} == {key.name for key in mdm.keys if key.required}
    parts = payload_spec("com.apple.MCX")
    assert parts is not None
    assert len({key.name for key in parts.keys}) == len(parts.keys) >= 20


def test_enrollment_errors_are_five() -> None:
    assert len(enrollment_errors()) == 5


def test_the_files_are_those_that_the_tool_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ROOT.parent / "shared" / "apple"
    if not (source / "commands.json").exists():
        pytest.skip("the collected schema is not beside the repository")
    found = importlib.util.spec_from_file_location("generate_catalog", ROOT / "tools" / "generate_catalog.py")
    assert found is not None
    assert found.loader is not None
    tool = importlib.util.module_from_spec(found)
    found.loader.exec_module(tool)
    monkeypatch.setattr(tool, "TARGET", tmp_path)
    tool.main([str(source)])
    for name in ("answers", "commands", "payloads", "enrollment_errors"):
        committed = resources.files("corral.apple.catalog").joinpath(f"{name}.json").read_bytes()
        assert json.loads(committed) == json.loads((tmp_path / f"{name}.json").read_bytes())
