"""Settings: where they come from, which counts, and what is said of a wrong one."""

import contextlib
import os
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from corral.lifecycle.policy import Admission, OnRestore, Policy
from corral.lifecycle.state import DAY, HOUR, MINUTE, SECOND
from corral.settings import Settings, SettingsError, parse_duration, read_settings

URL = "https://mdm.example.org"
DOCUMENT = Path(__file__).parent.parent / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CORRAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_keep_devices_connected_and_enrollment_closed() -> None:
    settings = read_settings({"public_url": URL})
    assert settings.policy() == Policy()
    assert settings.admission is Admission.GRANT
    assert settings.listen == ("127.0.0.1:8443",)
    assert settings.identity == "signature"
    assert settings.tls == "own"


def test_files_of_the_installation_lie_in_its_data_folder(tmp_path: Path) -> None:
    settings = read_settings({"public_url": URL, "data": tmp_path / "here"})
    assert settings.admin_socket == tmp_path / "here" / "admin.sock"
    assert settings.sealing_key_file == tmp_path / "here" / "sealing.key"


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corral.toml").write_text(
        f'public_url = "{URL}"\norganization = "file"\nlink_days = 3\nidentity_days = 30\n'
    )
    monkeypatch.setenv("CORRAL_ORGANIZATION", "environment")
    monkeypatch.setenv("CORRAL_LINK_DAYS", "4")
    settings = read_settings({"data": tmp_path, "link_days": 5})
    assert (settings.identity_days, settings.organization, settings.link_days) == (30, "environment", 5)


def test_the_data_folder_of_the_environment_has_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corral.toml").write_text(f'public_url = "{URL}"\n')
    monkeypatch.setenv("CORRAL_DATA", str(tmp_path))
    assert read_settings().public_url == URL


def test_flags_that_are_not_given_are_none_and_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_ORGANIZATION", "environment")
    assert read_settings({"public_url": URL, "organization": None}).organization == "environment"


def test_paths_of_the_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text(
        f'public_url = "{URL}"\ntls = "files"\ntls_certificate = "a.pem"\ntls_key = "/etc/a.key"\n'
        '[authorities]\nstep = "step.pem"\n'
    )
    settings = read_settings({"data": tmp_path})
    assert settings.tls_certificate == tmp_path / "a.pem"
    assert settings.tls_key == Path("/etc/a.key")
    assert settings.authorities == {"step": tmp_path / "step.pem"}


def test_lists_and_tables_come_from_the_environment_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_LISTEN", "0.0.0.0:443, [::]:443")
    monkeypatch.setenv("CORRAL_PROXY", "10.0.0.0/8,10.9.0.1")
    monkeypatch.setenv("CORRAL_AUTHORITIES", "step=/a.pem,old=/b.pem")
    settings = read_settings({"public_url": URL})
    assert settings.listen == ("0.0.0.0:443", "[::]:443")
    assert settings.proxy == ("10.0.0.0/8", "10.9.0.1/32")
    assert settings.authorities == {"step": Path("/a.pem"), "old": Path("/b.pem")}


def test_the_policy_is_made_of_the_settings() -> None:
    flags = {"public_url": URL, "on_restore": "refuse", "breaker_window": "30m", "breaker_limit": "7"}
    policy = read_settings({**flags, "manage_users": "false", "ending_deadline": 60}).policy()
    assert policy.on_restore is OnRestore.REFUSE
    assert (policy.breaker_window, policy.breaker_limit) == (30 * MINUTE, 7)
    assert policy.ending_deadline == MINUTE
    assert policy.manage_users is False


def test_every_policy_can_be_set() -> None:
    """All but the verifier, which is read from `user_file`, and the escrow key, which the installation makes."""
    assert set(Policy.__dataclass_fields__) - {"verifier", "escrow_key"} <= set(Settings.model_fields)


WRONG: list[tuple[dict[str, object], str, str]] = [
    ({"public_url": "http://mdm.example.org"}, "public_url", "https://HOST"),
    ({"public_url": "https://mdm.example.org/path"}, "public_url", "without a path"),
    ({"public_url": "https://user@mdm.example.org"}, "public_url", "https://HOST"),
    ({"public_url": "https://mdm.example.org:70000"}, "public_url", "https://HOST"),
    ({"public_url": None}, "public_url", "missing"),
    ({"listen": "443"}, "listen", "HOST:PORT"),
    ({"listen": "::1:443"}, "listen", "HOST:PORT"),
    ({"listen": "0.0.0.0:70000"}, "listen", "HOST:PORT"),
    ({"listen": ""}, "listen", "at least 1"),
    ({"tls": "maybe"}, "tls", "'own', 'files' or 'off'"),
    ({"proxy": "proxy.example.org"}, "proxy", "IP address"),
    ({"identity": "cookie"}, "identity", "'signature'"),
    ({"identity_header": "two words"}, "identity_header", "pattern"),
    ({"breaker_window": "an hour"}, "breaker_window", "7d"),
    ({"breaker_limit": "0"}, "breaker_limit", "greater than or equal to 1"),
    ({"on_restore": "ask"}, "on_restore", "'accept' or 'refuse'"),
    ({"authorities": "step"}, "authorities", "NAME=VALUE"),
    ({"authorities": "a/b=c.pem"}, "authorities", "letters"),
    ({"apns_url": "http://localhost"}, "apns_url", "https://HOST"),
    ({"oidc_issuer": "http://id.example.org"}, "oidc_issuer", "https URL"),
    ({"outgoing_networks": "10.1.2.3/8"}, "outgoing_networks", "networks"),
    ({"max_body": "1"}, "max_body", "greater"),
    ({"log_level": "loud"}, "log_level", "'info'"),
    ({"no_such_thing": "1"}, "no_such_thing", "no setting"),
]


@pytest.mark.parametrize(("flags", "name", "allowed"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_is_told_in_one_line(flags: dict[str, object], name: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as told:
        read_settings({"public_url": URL, **flags})
    line = str(told.value)
    assert "\n" not in line
    assert name in line
    assert allowed in line


MISFITS: list[tuple[dict[str, object], str]] = [
    ({"oidc_issuer": "https://id.example.org", "oidc_client_id": "corral"}, "account_domains"),
    ({"oidc_issuer": "https://id.example.org", "account_domains": "example.org"}, "oidc_client_id"),
    ({"tls": "files"}, "tls_certificate and tls_key"),
    ({"tls_certificate": "a.pem", "tls_key": "a.key"}, "tls = files"),
    ({"tls": "off", "listen": "0.0.0.0:80"}, "proxy"),
    ({"identity": "header"}, "proxy"),
    ({"proxy_address_header": "X-Forwarded-For"}, "proxy"),
    ({"identity": "tls", "tls": "off"}, "TLS"),
    ({"admission": "trusted-identity"}, "authorities"),
]


@pytest.mark.parametrize(("flags", "needed"), MISFITS, ids=lambda value: str(value)[:40])
def test_settings_that_do_not_fit_together_are_refused(flags: dict[str, object], needed: str) -> None:
    with pytest.raises(SettingsError, match="do not fit together") as told:
        read_settings({"public_url": URL, **flags})
    assert needed in str(told.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "[::1]:80", "localhost:80"])
def test_plain_http_is_taken_on_local_addresses(listen: str) -> None:
    assert read_settings({"public_url": URL, "tls": "off", "listen": listen}).tls == "off"


def test_a_proxy_allows_plain_http() -> None:
    flags = {"public_url": URL, "tls": "off", "listen": "0.0.0.0:80", "proxy": "10.0.0.7", "identity": "header"}
    assert read_settings(flags).proxy == ("10.0.0.7/32",)


@pytest.mark.parametrize("text", ["public_url = ", "public_url = 7", 'data = "x"', 'sealing_key = "x"', "\x00"])
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "corral.toml").write_text(text)
    with pytest.raises(SettingsError) as told:
        read_settings({"data": tmp_path})
    assert "\n" not in str(told.value)


def test_the_sealing_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_SEALING_KEY", "c2VjcmV0")
    settings = read_settings({"public_url": URL})
    assert "c2VjcmV0" not in repr(settings)
    assert settings.sealing_key is not None
    assert settings.sealing_key.get_secret_value() == "c2VjcmV0"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", 7 * DAY),
        ("1h30m", HOUR + 30 * MINUTE),
        ("10 m", 10 * MINUTE),
        ("250ms", 250),
        ("2w", 14 * DAY),
        ("90", 90 * SECOND),
        (90, 90 * SECOND),
        (0.5, 500),
    ],
)
def test_durations(text: object, meant: int) -> None:
    assert parse_duration(text) == meant


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
@example("99999999999d")
@example("-5s")
def test_what_is_no_duration_is_a_value_error_and_nothing_else(value: object) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(value) >= 0


def test_the_table_names_every_setting_with_its_variable_and_default() -> None:
    table = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.MULTILINE)
    shown = {name: (variable, default, what) for name, variable, default, what in table}
    assert list(shown) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert shown[name] == (f"CORRAL_{name.upper()}", _default(name, field), field.description), name


_DURATIONS = {
    "session_time",
    "ending_deadline",
    "breaker_window",
    "setup_time",
    "configured_retry",
    "installation_time",
    "renew_before",
    "renewal_time",
    "not_now_push",
    "ade_sync_every",
    "keep_results",
    "keep_collected",
    "keep_events",
    "keep_inventory_history",
    "keep_audit",
    "keep_pushes",
    "keep_contacts",
    "keep_grants",
    "keep_answers",
    "account_access_time",
    "account_session_time",
}


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "none: it must be given"
    value: Any = field.get_default(call_default_factory=True, validated_data={"data": "DATA"})
    if name in _DURATIONS:
        unit, letter = next(
            (n, u) for n, u in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")) if value % n == 0
        )
        return f"`{value // unit}{letter}`"
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case _ if not value and value != 0:
            return "none"
        case tuple():
            return f"`{', '.join(map(str, value))}`"  # pyright: ignore[reportUnknownArgumentType] - of pydantic
        case Enum():
            return f"`{value.value}`"
        case _:
            return f"`{value}`"
