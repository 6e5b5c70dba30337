"""What an answer gives into keeping: once, of the newest, and only for what was asked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from corral.apple.plist import dump
from corral.apple.report import Report, Status
from corral.lifecycle.change import Change
from corral.lifecycle.decide import decide
from corral.lifecycle.message import Reported
from corral.lifecycle.policy import Policy
from corral.lifecycle.state import Consequence, DeliveryState, EscrowKind, Phase
from corral.pki import cms
from corral.pki.escrow_key import create_escrow_key
from lifecycle import arrange as a

KEY = create_escrow_key("Example", datetime.now(UTC))
POLICY = Policy(escrow_key=KEY)
RECOVERY, BYPASS = EscrowKind.FILEVAULT_RECOVERY_KEY, EscrowKind.ACTIVATION_LOCK_BYPASS_CODE


def security(key: bytes = b"ABCD-1234", certificate: bytes = KEY.certificate) -> dict[str, Any]:
    return {"SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": cms.encrypt(key, certificate)}}


def answer(keys: dict[str, Any], policy: Policy = POLICY, status: Status = Status.ACKNOWLEDGED, **seen: Any) -> Change:
    body = dump({"UDID": a.UDID, "Status": status.value, "CommandUUID": "command", **keys})
    message = Reported(Report(a.SPEAKER, status, "command"), body)
    delivery = seen.pop("delivery", a.delivery(Consequence.PLAIN))
    snapshot = a.seen(seen.pop("life", None), delivery=delivery, **seen)
    return decide(snapshot, message, a.identity(), policy, a.moment()).change


def test_a_recovery_key_is_opened_and_kept() -> None:
    change = answer(security(b"ABCD-1234\n"))
    (kept,) = change.escrow
    assert (kept.kind, kept.value, kept.connection_id) == (RECOVERY, b"ABCD-1234", "life")
    assert a.event(change, "escrow.stored").data == {"kind": "filevault-recovery-key"}
    assert "ABCD" not in repr(change)
    assert change.result is not None


def test_so_is_a_bypass_code_and_the_new_key_of_a_rotation() -> None:
    (code,) = answer({"ActivationLockBypassCode": "A1-B2"}).escrow
    assert (code.kind, code.value) == (BYPASS, b"A1-B2")
    rotated = {"RotateResult": {"EncryptedNewRecoveryKey": cms.encrypt(b"NEW", KEY.certificate)}}
    assert [each.value for each in answer(rotated).escrow] == [b"NEW"]


def test_what_is_kept_already_is_not_kept_again() -> None:
    change = answer(security(), escrow={RECOVERY: b"ABCD-1234"})
    assert (change.escrow, a.kinds(change)) == ((), [])
    assert [each.value for each in answer(security(b"NEW"), escrow={RECOVERY: b"ABCD-1234"}).escrow] == [b"NEW"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: answer(security(), status=Status.ERROR),
        lambda: answer(security(), delivery=None),
        lambda: answer(security(), delivery=a.delivery(Consequence.PLAIN, state=DeliveryState.ACKNOWLEDGED)),
        lambda: answer(security(), life=a.life(phase=Phase.ENDED)),
        lambda: answer({"QueryResponses": {"FDE_PersonalRecoveryKeyCMS": b"x"}}),
    ],
    ids=["failed", "unasked", "repeated", "over", "elsewhere"],
)
def test_nothing_is_kept_of(change: Any) -> None:
    assert change().escrow == ()


@pytest.mark.parametrize(
    "keys",
    [
        security(certificate=create_escrow_key("Other", datetime.now(UTC)).certificate),
        {"SecurityInfo": {"FDE_PersonalRecoveryKeyCMS": b"no CMS"}},
        security(b"x" * 2000),
        security(b"\0\0"),
    ],
    ids=["for another", "no envelope", "no key", "empty"],
)
def test_a_key_that_cannot_be_opened_is_told(keys: dict[str, Any]) -> None:
    change = answer(keys)
    assert change.escrow == ()
    assert a.kinds(change) == ["escrow.unreadable"]
    assert change.result is not None
    assert a.kinds(answer(security(), Policy())) == ["escrow.unreadable"], "without a key of the installation"
