"""Each command over the API: what it changes, what it tells people, and the same as JSON."""

import json
import plistlib
import re
import stat
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from cli.conftest import Cli, Running
from corral.simulator.push_certificates import StandInApple
from inprocess import TOPIC
from samples import profile


def test_a_link_is_made_listed_and_revoked(cli: Cli, service: Running) -> None:
    outcome = cli("enroll", "link", "--uses", "unlimited", "--expires", "12h", "--note", "for Ada", "--serial", "S1")
    assert outcome.code == 0
    assert "any number of devices" in outcome.out
    assert "only S1" in outcome.out
    (url,) = re.findall(r"https://\S+/enroll/\S+", outcome.out)
    listed = cli("enroll", "links").out
    assert "for Ada" in listed
    assert url not in listed
    found = json.loads(cli("enroll", "links", "--json", "--limit", 0).out)["links"]
    link = next(each for each in found if each["note"] == "for Ada")
    assert cli("enroll", "revoke", link["id"]).code == 0
    assert "withdrawn" in cli("enroll", "links").out
    assert cli("enroll", "revoke", link["id"]).code == 3


def test_sign_ins_are_listed(cli: Cli, service: Running) -> None:
    assert "Nobody has signed in yet." in cli("account", "sessions").out
    assert json.loads(cli("account", "sessions", "--json", "--limit", 1).out) == {"sessions": [], "next": None}


def test_a_link_may_end_at_a_time(cli: Cli, service: Running) -> None:
    made = json.loads(cli("enroll", "link", "--expires", "2031-02-03T04:05:06+00:00", "--json").out)
    assert made["link"]["expires_at"] == "2031-02-03T04:05:06Z"
    assert cli("enroll", "link", "--expires", "2001-02-03").code == 1


def test_a_profile_is_written_for_its_owner_alone_and_never_over_a_file(cli: Cli, service: Running, home: Path) -> None:
    path = home / "p.mobileconfig"
    assert cli("enroll", "link", "--out", path, "--unsigned").code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert plistlib.loads(path.read_bytes())["PayloadType"] == "Configuration"
    before = len(json.loads(cli("enroll", "links", "--json", "--limit", 0).out)["links"])
    outcome = cli("enroll", "link", "--out", path)
    assert outcome.code == 2
    assert "exists already" in outcome.error
    after = len(json.loads(cli("enroll", "links", "--json", "--limit", 0).out)["links"])
    assert before == after, "no link is made for nothing"


def test_devices_are_listed_and_found(cli: Cli, service: Running) -> None:
    listed = json.loads(cli("device", "list", "--json").out)["devices"]
    assert len(listed) == 16
    table = cli("device", "list").out
    assert all(each["device"]["id"] in table for each in listed)
    assert "Mac 16" in cli("device", "list", "--phase", "ended").out
    for found in (("--contains", "ac 16"), ("--phase", "ended", "--contains", "MAC 1")):
        assert "Mac 16" in cli("device", "list", *found).out
    for none in (("--not-seen-for", "1d"), ("--seen-within", "1h"), ("--way", "automated"), ("--supervised",)):
        assert "No device" in cli("device", "list", *none).out
    assert "give a span" in cli("device", "list", "--seen-within", "soon").error
    assert "Mac 1 " not in cli("device", "list", "--phase", "ended").out
    assert cli("device", "list", "--search", "zzz").out.startswith("No device")
    outcome = cli("device", "list", "--limit", "3")
    assert "--after" in outcome.err
    assert "--after" not in outcome.out
    assert cli("device", "list", "--phase", "happy").code == 1


def test_a_device_is_shown_by_each_of_its_names(cli: Cli, service: Running) -> None:
    for name in ("D2", "SERIAL2", "C2"):
        outcome = cli("device", "show", name)
        assert outcome.code == 0
        assert "Mac 2" in outcome.out
        assert "connected since" in outcome.out
        assert "inventory " in outcome.out
    assert json.loads(cli("device", "show", "D2", "--json").out)["device"]["id"] == "D2"


def test_the_next_command_and_why_it_waits_are_told(cli: Cli, service: Running) -> None:
    assert cli("command", "send", "D3", "--type", "ProfileList", "--not-before", "1h").code == 0
    for page in ("show", "timeline"):
        assert "ProfileList" in cli("device", page, "D3").out
        assert "it is not to be sent earlier than" in cli("device", page, "D3").out


def test_the_timeline_is_told_and_goes_back(cli: Cli, service: Running) -> None:
    assert cli("device", "block", "D4", "--reason", "lost in\x1b[2J a taxi").code == 0
    assert cli("device", "unblock", "D4").code == 0
    outcome = cli("device", "timeline", "D4", "--limit", 1)
    assert "device.unblocked" in outcome.out
    (before,) = re.findall(r"--before (\S+)\.$", outcome.err, re.MULTILINE)
    older = cli("device", "timeline", "D4", "--before", before).out
    assert "lost in" in older
    assert "\x1b" not in older, "nothing that was typed or sent may steer the terminal"
    assert cli("device", "timeline", "D4", "--before", "7d").code == 2


def test_a_block_is_shown(cli: Cli, service: Running) -> None:
    assert "blocked" in cli("device", "block", "D5").out
    assert "blocked since" in cli("device", "show", "D5").out
    assert cli("device", "unblock", "D5").code == 0
    assert cli("device", "unblock", "D5").code == 1


def test_a_connection_is_ended_and_only_then_forgotten(cli: Cli, service: Running) -> None:
    outcome = cli("device", "forget", "D6", "--yes")
    assert outcome.code == 1
    assert "end the connection" in outcome.error
    outcome = cli("device", "end", "D6", "--deadline", "3d", "--yes")
    assert outcome.code == 0
    assert "asked to remove its profile" in outcome.out
    assert cli("device", "forget", "D16", "--yes").code in (0, 3)


def test_many_are_ended_with_a_verdict_each(cli: Cli, service: Running) -> None:
    would = cli("device", "end", "D8", "D9", "nobody", "--dry-run")
    assert would.code == 1, "not for all of them"
    assert "D8: it would be done." in would.out
    assert "Not for nobody: There is no device nobody" in would.error
    assert cli("device", "end", "--search", "D9", "--yes").out == "Done for 1 device.\n"
    assert json.loads(cli("device", "show", "D9", "--json").out)["connections"][0]["phase"] == "ending"
    assert json.loads(cli("device", "show", "D8", "--json").out)["connections"][0]["phase"] == "connected"
    refused = cli("device", "end", "--all", "--yes", "--confirm", 3)
    assert refused.code == 1
    assert "more than 10 at once need a confirmation" in refused.error
    assert cli("device", "wake", "--all", "--dry-run").code == 0
    assert cli("device", "block", "--all", "--dry-run").code == 0
    assert cli("device", "end", "--yes").code == cli("device", "end", "D8", "--all", "--yes").code == 2


def test_what_cannot_be_undone_is_not_done_unasked(cli: Cli, service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (("device", "end", "D7"), ("device", "forget", "D7"), ("command", "clear", "D7")):
        outcome = cli(*command)
        assert outcome.code == 2
        assert "--yes" in outcome.error
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", _refuse)
    assert cli("device", "end", "D7").code == 1
    assert json.loads(cli("device", "show", "D7", "--json").out)["connections"][0]["phase"] == "connected"


def _refuse(question: str, *, abort: bool) -> None:
    import typer

    assert question.endswith("?")
    assert abort
    raise typer.Abort


def test_a_renewal_needs_a_profile_that_is_known_here(cli: Cli, service: Running) -> None:
    outcome = cli("device", "renew", "D8")
    assert outcome.code == 1
    assert "enroll the device again" in outcome.error


def test_keys_get_the_types_of_the_schema(cli: Cli, service: Running, home: Path) -> None:
    (home / "p.mobileconfig").write_bytes(b"profile")
    lock = json.loads(cli("command", "send", "D9", "--type", "DeviceLock", "--set", "PIN=123456", "--json").out)
    assert lock["queued"] == 1, "a PIN of digits is text"
    ask = ("command", "send", "D9", "--type", "DeviceInformation", "--set", "Queries=DeviceName, OSVersion", "--json")
    asked = json.loads(cli(*ask).out)
    shown = json.loads(cli("command", "show", asked["command_uuid"], "--json").out)
    assert shown["keys"] == {"Queries": ["DeviceName", "OSVersion"]}
    install = ("command", "send", "D9", "--type", "InstallProfile", "--set", f"Payload=@{home / 'p.mobileconfig'}")
    assert cli(*install).code == 0
    assert "(7 bytes, not shown)" in cli("command", "show", _latest(cli, "D9")).out


def _latest(cli: Cli, device: str) -> str:
    found = json.loads(cli("command", "list", "--device", device, "--json").out)["commands"]
    return found[0]["command_uuid"]


def test_what_is_not_queued_is_1_and_told_by_device(cli: Cli, service: Running) -> None:
    outcome = cli("command", "send", "D9", "nobody", "--type", "ProfileList")
    assert outcome.code == 1
    assert "queued for 1 device" in outcome.out
    assert "Not for nobody" in outcome.error
    outcome = cli("command", "send", "D9", "--type", "InstallProfile")
    assert outcome.code == 1
    assert cli("command", "send", "D9", "--type", "Unheard", "--force").code == 0


def test_a_raw_command_is_sent_from_a_file(cli: Cli, service: Running, home: Path) -> None:
    path = home / "command.plist"
    path.write_bytes(plistlib.dumps({"CommandUUID": "from a file", "Command": {"RequestType": "ProfileList"}}))
    assert cli("command", "send", "D10", "--plist", path).code == 0
    assert cli("command", "show", "from a file").code == 0
    path.write_bytes(b"no property list")
    outcome = cli("command", "send", "D10", "--plist", path)
    assert outcome.code == 1
    assert outcome.error
    outcome = cli("command", "send", "D10", "--plist", home / "nothing")
    assert outcome.code == 1
    assert "nothing" in outcome.error


def test_waiting_ends_when_the_time_is_over(cli: Cli, service: Running) -> None:
    outcome = cli("command", "send", "D10", "--type", "ProfileList", "--wait", "0s")
    assert outcome.code == 0
    assert "D10: open" in outcome.out
    assert cli("command", "send", "D10", "--type", "ProfileList", "--wait", "a while").code == 2


def test_a_users_channel_is_reached(cli: Cli, service: Running) -> None:
    assert cli("command", "send", "D15", "--type", "ProfileList", "--user", "U1").code == 0
    assert "D15 / U1" in cli("command", "list", "--device", "D15").out
    assert "Next command of user U1" in cli("device", "show", "D15").out


def test_commands_are_cancelled_and_cleared(cli: Cli, service: Running) -> None:
    for _ in range(3):
        assert cli("command", "send", "D11", "--type", "ProfileList").code == 0
    assert cli("command", "cancel", _latest(cli, "D11"), "--device", "D11").out == "1 delivery cancelled.\n"
    assert cli("command", "clear", "D11", "--yes").out == "2 deliveries cancelled.\n"
    assert cli("command", "clear", "D11", "--yes").out == "Nothing was open.\n"
    assert "cancelled" in cli("command", "list", "--device", "D11", "--state", "cancelled").out


def test_a_mac_is_locked_by_a_pin_that_is_shown_once(cli: Cli, service: Running) -> None:
    outcome = cli("device", "lock", "D13", "--message", "Call us")
    pin = re.search(r"^PIN: (\d{6})  ", outcome.out, re.MULTILINE)
    assert pin is not None
    command = _latest(cli, "D13")
    assert pin[1] not in cli("command", "show", command).out
    revealed = cli("command", "reveal", command, "--device", "D13", "--reason", "it came back").out
    assert f"PIN: {pin[1]}" in revealed
    assert "Call us" in revealed
    assert "not answered yet" in revealed
    assert cli("device", "lock", "D13", "--pin", "1234").code == 2
    assert json.loads(cli("device", "lock", "D13", "--pin", "123456", "--json").out)["pin"] == "123456"


def test_the_verbs_of_every_day_are_queued_where_they_can_be(cli: Cli, service: Running) -> None:
    assert cli("device", "erase", "D14").code == 2
    assert "PIN: " in cli("device", "erase", "D14", "--yes").out
    for verb in ("restart", "wake"):
        assert cli("device", verb, "D14").code == 0, verb
    assert cli("device", "shutdown", "D14", "--yes").code == 0
    assert "does not exist on macOS" in cli("device", "lost", "D14", "--message", "Call us").error
    assert cli("device", "lost", "D14").code == 2
    assert cli("device", "found", "D14").code == 1
    outcome = cli("device", "clear-passcode", "D14", "--reason", "forgotten", "--yes")
    assert (outcome.code, "no unlock token" in outcome.error) == (3, True)
    queued = json.loads(cli("command", "list", "--device", "D14", "--state", "open", "--json").out)["commands"]
    kinds = {each["request_type"] for each in queued}
    assert {"EraseDevice", "RestartDevice", "ShutDownDevice"} <= kinds


def test_a_dry_run_and_a_query_tell_who_would_take_it(cli: Cli, service: Running) -> None:
    outcome = cli("command", "send", "D11", "nobody", "--type", "SecurityInfo", "--dry-run")
    assert outcome.code == 1
    assert outcome.out == "D11 would take it.\n"
    assert "no device nobody" in outcome.error
    outcome = cli("command", "send", "--search", "D11", "--type", "SecurityInfo", "--dry-run")
    assert (outcome.code, outcome.out) == (0, "D11 would take it.\n")
    assert cli("command", "send", "--type", "SecurityInfo").code == 2
    assert cli("command", "send", "D11", "--all", "--type", "SecurityInfo").code == 2


def test_an_answer_that_has_not_come_is_3(cli: Cli, service: Running) -> None:
    assert cli("command", "send", "D12", "--type", "ProfileList").code == 0
    outcome = cli("command", "show", _latest(cli, "D12"), "--device", "D12", "--raw")
    assert outcome.code == 3
    assert "has not answered" in outcome.error


def test_types_are_listed_and_explained(cli: Cli, service: Running) -> None:
    assert "EnableLostMode" in cli("command", "types", "lostmode").out
    explained = cli("command", "explain", "DeviceLock").out
    assert "PIN" in explained
    assert "macOS" in explained
    assert "macOS 10.8" in explained
    for_mac = cli("command", "explain", "DeviceLock", "--for", "D12").out
    assert "this device" in for_mac
    assert "takes it" in for_mac
    for_mac = cli("command", "explain", "RestartDevice", "--for", "D12").out
    assert "This device would take it." in for_mac
    assert "supervised            not known" in for_mac
    assert "--for" not in cli("command", "types", "--for", "D12").out
    outcome = cli("command", "explain", "devicelok")
    assert outcome.code == 3
    assert "DeviceLock" in outcome.error


def test_a_profile_is_linted_kept_sent_and_forgotten(cli: Cli, service: Running, home: Path) -> None:
    good, bad = home / "wifi.mobileconfig", home / "bad.mobileconfig"
    good.write_bytes(profile("org.example.cli"))
    bad.write_bytes(profile("org.example.cli", SSID_STR=5))
    assert cli("profile", "lint", good).out == "org.example.cli: 0 errors, 0 warnings.\n"
    outcome = cli("profile", "lint", bad)
    assert outcome.code == 1
    assert "error: PayloadContent[0].SSID_STR: must be of type string" in outcome.out
    assert cli("profile", "add", bad).code == 1
    assert cli("profile", "add", good).out == "org.example.cli is kept as version 1.\n"
    assert "kept already" in cli("profile", "add", good).out
    assert "org.example.cli" in cli("profile", "list").out
    assert cli("profile", "install", "org.example.cli", "D13", "--dry-run").out == "D13 would take it.\n"
    assert "is queued for 1 device" in cli("profile", "install", "org.example.cli", "D13").out
    assert "pending" in cli("profile", "device", "D13").out
    shown = cli("profile", "show", "org.example.cli").out
    assert "wanted on  1 device" in shown
    assert "D13" in shown
    assert "D13" not in cli("profile", "show", "org.example.cli", "--drift").out
    assert cli("profile", "export", "org.example.cli", "--out", home / "again").code == 0
    assert (home / "again").read_bytes() == good.read_bytes()
    assert (home / "again").stat().st_mode & 0o777 == 0o600
    assert "wanted on a device" in cli("profile", "forget", "org.example.cli", "--yes").error
    assert cli("profile", "remove", "org.example.cli", "D13").code == 0
    assert cli("profile", "forget", "org.example.cli", "--yes").code == 0
    assert cli("profile", "show", "org.example.cli").code == 3


def test_an_app_is_read_where_it_lies_kept_and_sent(cli: Cli, service: Running, home: Path) -> None:
    path = home / "Example.ipa"
    with zipfile.ZipFile(path, "w") as archive:
        info = {"CFBundleIdentifier": "org.example.cli", "CFBundleVersion": "7", "CFBundleName": "Example"}
        archive.writestr("Payload/Example.app/Info.plist", plistlib.dumps(info))
    url = "https://files.example.org/Example.ipa"
    assert cli("app", "add", path).code == 2
    assert "org.example.cli 7 is kept as" in cli("app", "add", path, "--package-url", url, "--minimum-os", "17").out
    shown = cli("app", "show", "org.example.cli").out
    assert "/apps/" in shown
    assert "minimum os    17" in shown
    assert "org.example.cli" in cli("app", "list").out
    outcome = cli("app", "install", "org.example.cli", "D13", "--dry-run")
    assert outcome.code == 1
    assert "no Mac takes by a manifest" in outcome.error
    assert "is queued for 1 device" in cli("app", "remove", "org.example.cli", "D13", "--force").out
    assert "has not told yet" in cli("app", "device", "D13").error
    assert cli("app", "add", "--manifest-url", url).code == 2
    assert cli("app", "forget", "org.example.cli", "--yes").code == 0
    assert cli("app", "show", "org.example.cli").code == 3


def test_a_push_certificate_is_requested_once_a_file(cli: Cli, service: Running, home: Path) -> None:
    outcome = cli("push-cert", "request", "--out", home / "push.csr", "--name", "Example", "--country", "DE")
    assert outcome.code == 0
    assert "vendor" in outcome.out
    assert "identity.apple.com/pushcert" in outcome.out
    request = x509.load_pem_x509_csr((home / "push.csr").read_bytes())
    assert request.subject.rfc4514_string() == "C=DE,CN=Example"
    outcome = cli("push-cert", "request", "--out", home / "push.csr")
    assert outcome.code == 1
    assert "exists already" in outcome.error
    outcome = cli("push-cert", "request", "--out", home / "other.csr", "--country", "Germany")
    assert outcome.code == 1
    assert not (home / "other.csr").exists()


def test_a_push_certificate_is_renewed_with_the_same_topic_only(cli: Cli, service: Running, home: Path) -> None:
    assert cli("push-cert", "request", "--out", home / "push.csr").code == 0
    key = x509.load_pem_x509_csr((home / "push.csr").read_bytes()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    apple = StandInApple.create(datetime.now(UTC))
    (home / "other.pem").write_bytes(apple.push_certificate("com.apple.mgmt.other", key, datetime.now(UTC)))
    outcome = cli("push-cert", "import", home / "other.pem")
    assert outcome.code == 1
    assert "would have to enroll again" in outcome.error
    (home / "same.pem").write_bytes(apple.push_certificate(TOPIC, key, datetime.now(UTC)))
    outcome = cli("push-cert", "import", home / "same.pem", "--apple-account", "owner@example.org")
    assert outcome.code == 0
    assert TOPIC in outcome.out


def test_the_push_certificates_are_shown_with_their_owner(cli: Cli, service: Running) -> None:
    shown = cli("push-cert", "show").out
    assert "com.apple.mgmt.External" in shown
    assert "owner@example.org" in shown
    assert "PRIVATE" not in cli("push-cert", "show", "--json").out


def test_a_file_that_is_no_push_certificate_is_told(cli: Cli, service: Running, home: Path) -> None:
    (home / "x.pem").write_text("x")
    for arguments in (("x.pem",), ("nothing.pem",), ("x.pem", "--key", "x.pem")):
        outcome = cli("push-cert", "import", *arguments)
        assert outcome.code == 1
        assert outcome.error


def test_a_token_is_made_used_and_revoked(cli: Cli, service: Running, home: Path) -> None:
    outcome = cli("token", "create", "Ada", "--role", "operator", "--expires", "1d")
    (token,) = re.findall(r"corral_[\w-]{40,}", outcome.out)
    cli("authority", "show", "--out", home / "ca.pem")
    (home / "token").write_text(token)
    remote = ("--url", service.url, "--token-file", home / "token", "--ca", home / "ca.pem")
    assert cli("enroll", "link", "--note", "by Ada", *remote).code == 0
    assert "Ada" in cli("enroll", "links").out
    listed = json.loads(cli("token", "list", "--json").out)["tokens"]
    ada = next(each for each in listed if each["name"] == "Ada")
    assert cli("token", "revoke", ada["id"]).code == 0
    assert cli("status", *remote).code == 4
    assert "revoked" in cli("token", "list").out
    assert token not in cli("token", "list", "--json").out


def test_a_role_is_made_given_changed_and_removed(cli: Cli, service: Running) -> None:
    assert cli("role", "create", "desk", "--permission", "devices:read", "--permission", "links:read").code == 0
    listed = cli("role", "list").out
    assert "administrator" in listed
    assert "desk" in listed
    made = json.loads(cli("token", "create", "desk", "--role", "desk", "--json").out)
    assert made["credential"]["permissions"] == ["devices:read", "links:read"]
    assert cli("role", "change", "desk", "--permission", "devices:read").code == 0
    assert cli("role", "remove", "desk").code == 1
    assert cli("token", "revoke", made["credential"]["id"]).code == 0
    assert cli("role", "remove", "desk").code == 0
    assert cli("role", "remove", "desk").code == 3
    assert cli("role", "create", "viewer", "--permission", "devices:read").code == 1
    assert "devices:fly" in cli("role", "create", "x", "--permission", "devices:fly").error


def test_what_a_token_may_do_must_be_said(cli: Cli, service: Running) -> None:
    assert cli("token", "create", "Ada").code == 2
    assert cli("token", "create", "Ada", "--role", "viewer", "--permission", "devices:read").code == 2
    made = json.loads(cli("token", "create", "narrow", "--permission", "links:read", "--json").out)
    assert made["credential"]["permissions"] == ["links:read"]


def test_a_user_signs_in_on_the_command_line(cli: Cli, running: Running, home: Path) -> None:
    here = ("--data", running.data)
    assert cli("user", "add", "Ann", "--role", "viewer", *here, stdin="correct horse battery\n").code == 0
    cli("authority", "show", "--out", home / "ca.pem", *here)
    login = ("login", running.url, "--user", "ann", "--ca", home / "ca.pem")
    assert cli(*login, stdin="not the password\n").code == 4
    assert "as ann" in cli(*login, stdin="correct horse battery\n").out
    assert cli("whoami").out.startswith("ann (user, viewer)\n")
    assert cli("enroll", "link").code == 1
    assert cli("logout").out == "Logged out.\n"
    assert cli("whoami", *here).out.startswith("local administrator (local")
    assert cli("user", "password", "ann", *here, stdin="another long password\n").code == 0
    assert cli(*login, stdin="correct horse battery\n").code == 4
    assert cli("user", "role", "ann", "operator", *here).code == 0
    assert cli("user", "disable", "ann", *here).code == 0
    assert cli(*login, stdin="another long password\n").code == 4
    assert "disabled" in cli("user", "list", *here).out
    assert cli("user", "enable", "ann", *here).code == 0
    assert cli("user", "add", "ann", "--role", "viewer", "--without-password", *here).code == 1


def test_the_audit_trail_is_listed_exported_and_verified(cli: Cli, service: Running, home: Path) -> None:
    cli("enroll", "link", "--note", "told of")
    assert "link.created" in cli("audit", "list", "--limit", 5).out
    newest = json.loads(cli("audit", "list", "--what", "link.created", "--limit", 1, "--json").out)["entries"][0]
    assert cli("audit", "list", "--limit", 1).out.rstrip().endswith(newest["data"]["link"]), "on what, or why"
    assert (newest["actor"]["kind"], newest["data"]["note"]) == ("local", "told of")
    assert cli("audit", "list", "--until", "2001-01-01").out.startswith("Nothing")
    assert cli("audit", "list", "--since", "7d").code == 2
    for _ in range(100):
        verdict = json.loads(cli("audit", "verify", "--json").out)
        if not verdict["waiting"]:
            break
        time.sleep(0.1)
    outcome = cli("audit", "verify")
    assert outcome.code == 0
    assert "The trail holds" in outcome.out
    (place, link) = re.findall(r"ends at (\d+):([0-9a-f]{64})", outcome.out)[0]
    assert cli("audit", "verify", "--expect", f"{place}:{link}").code == 0
    assert cli("audit", "verify", "--expect", f"{place}:{'0' * 64}").code == 1
    assert cli("audit", "verify", "--expect", "nothing").code == 2
    path = home / "audit.jsonl"
    assert cli("audit", "export", "--out", path).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli("audit", "export", "--out", path).code == 1
    assert cli("audit", "verify-export", path, "--expect", f"{place}:{link}").code == 0
    lines = path.read_text().splitlines(keepends=True)
    for damaged in (
        [*lines[:3], lines[3].replace("local", "somebody", 1), *lines[4:]],
        [*lines[:3], *lines[4:]],
        lines[:-1],
    ):
        path.write_text("".join(damaged))
        outcome = cli("audit", "verify-export", path)
        assert outcome.code == 1
        assert "does NOT hold" in outcome.out
        assert json.loads(cli("audit", "verify-export", path, "--json").out)["breaks"]
    for wrong in ("", "{}\n", "nothing\n", lines[0] + "nothing\n"):
        path.write_text(wrong)
        assert cli("audit", "verify-export", path).code == 1


def test_the_breaker_is_shown_and_only_an_open_one_is_closed(cli: Cli, service: Running) -> None:
    assert cli("breaker", "show").out == "The breaker is closed.\n"
    outcome = cli("breaker", "close")
    assert outcome.code == 1
    assert "not open" in outcome.error


def test_events_are_told_and_read_on(cli: Cli, service: Running) -> None:
    cli("enroll", "link", "--note", "first")
    found = json.loads(cli("events", "list", "--limit", 1000, "--json").out)
    assert found["events"]
    cli("enroll", "link", "--note", "second")
    told = cli("events", "list", "--after", found["next"]).out
    assert "note second" in told
    assert "note first" not in told
    tail = cli("events", "tail", "--type", "link.*", "-n", 1000, "--json").out.splitlines()
    assert [json.loads(each)["data"]["note"] for each in tail[-2:]] == ["first", "second"]
    assert "link.created" in cli("events", "tail", "-n", 3).out
    assert "link.created" in cli("events", "types").out


def test_the_authority_is_written_for_everybody_to_read(cli: Cli, service: Running, home: Path) -> None:
    assert "BEGIN CERTIFICATE" in cli("authority", "show").out
    assert cli("authority", "show", "--out", home / "ca.pem").code == 0
    x509.load_pem_x509_certificate((home / "ca.pem").read_bytes())
    assert cli("authority", "show", "--out", home / "ca.pem").code == 1


def test_escrowed_secrets_are_listed_and_never_shown_without_a_reason(cli: Cli, service: Running) -> None:
    device = json.loads(cli("device", "list", "--json").out)["devices"][0]["device"]["id"]
    assert "given nothing into keeping" in cli("device", "escrow", "list", device).out
    assert cli("device", "escrow", "show", device, 1).code == 2
    assert cli("device", "escrow", "show", device, 1, "--reason", "a test").code == 3
    assert cli("device", "revoke-certificate", device, "--reason", "a test").code == 2, "nobody is there to be asked"
    unknown = ("--fingerprint", "0" * 64, "--reason", "a test", "--yes")
    assert cli("device", "revoke-certificate", device, *unknown).code == 3


def test_an_authority_is_rolled_over_and_the_older_one_is_told_apart(cli: Cli, service: Running) -> None:
    (first,) = json.loads(cli("authority", "list", "--json").out)["authorities"]
    out = cli("authority", "rotate", "--over", "7").out
    assert "Make a backup now" in out
    listed = json.loads(cli("authority", "list", "--json").out)["authorities"]
    assert [each["state"] for each in listed] == ["coming", "issuing"]
    assert listed[1]["id"] == first["id"]
    assert "believed from now on" in out
    assert listed[0]["id"] in cli("authority", "list").out
    refused = cli("authority", "retire", first["id"])
    assert refused.code == 1
    assert "make its successor first" in refused.err
    assert cli("authority", "retire", "0" * 16).code == 3


def test_a_webhook_is_added_changed_and_removed(cli: Cli, service: Running) -> None:
    assert "No webhook" in cli("webhook", "list").out
    made = cli("webhook", "add", "https://hooks.example.org/in", "--type", "link.*", "--note", "for Ada")
    name, secret = re.findall(r"wh_[0-9a-f]+|whsec_\S+", made.out)
    listed = cli("webhook", "list").out
    assert "https://hooks.example.org/in" in listed
    assert "nothing sent yet" in listed
    assert secret not in listed
    assert cli("webhook", "change", name, "--type", "device.*", "--disable").code == 0
    shown = json.loads(cli("webhook", "show", name, "--json").out)
    assert shown["types"] == ["device.*"]
    assert shown["disabled_at"]
    assert "disabled" in cli("doctor").out
    assert cli("webhook", "change", name).code == 2
    assert cli("webhook", "change", name, "--enable").code == 0
    rotated = json.loads(cli("webhook", "rotate", name, "--overlap", "2h", "--json").out)
    assert rotated["webhook"]["secrets"] == 2
    assert rotated["secret"] != secret
    assert cli("webhook", "rotate", name, "--overlap", "2031-02-03").code == 2
    assert cli("webhook", "replay", name).code == 2
    assert cli("webhook", "replay", name, "--after", 0).code == 0
    assert cli("webhook", "replay", name, "--since", "1h").code == 0
    assert "No dead events" in cli("webhook", "dead", name).out
    assert "0 events" in cli("webhook", "resend", name).out
    refused = cli("webhook", "test", name)
    assert refused.code == 1
    assert "Not taken" in refused.error
    assert cli("webhook", "remove", name).code == 0
    assert cli("webhook", "show", name).code == 3
