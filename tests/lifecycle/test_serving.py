"""Check-in services of the device channel: rows 11 and 12."""

import json
from typing import Any

import pytest

from corral.apple import plist
from corral.apple.checkin import (
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    ReturnToService,
    SetBootstrapToken,
    UserAuthenticate,
)
from corral.lifecycle.change import ACCEPTED, Answer, Decision, Escrow
from corral.lifecycle.decide import decide
from corral.lifecycle.message import Message
from corral.lifecycle.policy import Policy
from corral.lifecycle.serving import MAY_HAVE_TOKEN, MAY_RETURN, NO_RETURN
from corral.lifecycle.state import EscrowKind, Phase
from lifecycle import arrange as a

LIVE = [a.life(phase=phase) for phase in (Phase.AUTHENTICATING, Phase.CONNECTED, Phase.ENDING)]
SERVICES: tuple[Message, ...] = (
    SetBootstrapToken(a.SPEAKER, b"token"),
    GetBootstrapToken(a.SPEAKER),
    GetToken(a.SPEAKER, "com.apple.maid"),
    DeclarativeManagement(a.SPEAKER, "tokens"),
    ReturnToService(a.SPEAKER),
)
live = pytest.mark.parametrize("life", LIVE, ids=lambda life: life.phase.value)


def ask(message: Message, life: Any = None, **fields: Any) -> Decision:
    return decide(a.seen(life, **fields), message, a.identity(), Policy(), a.moment())


def body(decision: Decision, status: int = 200) -> bytes:
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == status
    assert decision.change.is_empty
    return decision.answer.body


@pytest.mark.parametrize("message", SERVICES, ids=lambda m: type(m).__name__)
def test_row_11_a_life_that_is_over_is_served_nothing(message: Message) -> None:
    assert body(ask(message, a.life(phase=Phase.ENDED)), 400) == b""
    assert body(ask(message, bound=None), 400) == b""


@live
@pytest.mark.parametrize(
    ("given", "kept", "kind"),
    [(b"token", b"token", "escrow.stored"), (b"", None, "escrow.withdrawn"), (None, None, "escrow.withdrawn")],
)
def test_row_12_a_bootstrap_token_is_kept_in_versions(life: Any, given: bytes, kept: bytes, kind: str) -> None:
    decision = ask(SetBootstrapToken(a.SPEAKER, given), life)
    assert decision.answer == ACCEPTED
    version = Escrow(connection_id="life", kind=EscrowKind.BOOTSTRAP_TOKEN, value=kept, at=a.NOW)
    assert decision.change.escrow == (version,)
    assert a.event(decision.change, kind).data == {"kind": "bootstrap-token"}


@live
def test_row_12_a_bootstrap_token_is_given_back(life: Any) -> None:
    held = ask(GetBootstrapToken(a.SPEAKER), life, escrow={EscrowKind.BOOTSTRAP_TOKEN: b"token"})
    assert plist.parse(body(held)) == {"BootstrapToken": b"token"}
    none = ask(GetBootstrapToken(a.SPEAKER), life, escrow={EscrowKind.UNLOCK_TOKEN: b"other"})
    assert plist.parse(body(none)) == {}, "never an error"


@live
def test_row_12_declarations_are_served_as_an_empty_set(life: Any) -> None:
    tokens = json.loads(body(ask(DeclarativeManagement(a.SPEAKER, "tokens"), life)))
    items = json.loads(body(ask(DeclarativeManagement(a.SPEAKER, "declaration-items"), life)))
    assert items["Declarations"] == {"Activations": [], "Assets": [], "Configurations": [], "Management": []}
    assert items["DeclarationsToken"] == tokens["SyncTokens"]["DeclarationsToken"]
    assert tokens["SyncTokens"]["Timestamp"].endswith("Z")
    assert body(ask(DeclarativeManagement(a.SPEAKER, "status", b"{}"), life)) == b""
    assert body(ask(DeclarativeManagement(a.SPEAKER, "declaration/asset/x"), life), 404) == b""
    assert body(ask(DeclarativeManagement(a.SPEAKER, "declarations"), life), 400) == b""


def test_declarations_are_json() -> None:
    for endpoint in ("tokens", "declaration-items"):
        answer = ask(DeclarativeManagement(a.SPEAKER, endpoint)).answer
        assert isinstance(answer, Answer)
        assert answer.media_type == "application/json"


@live
def test_row_12_only_a_connected_device_may_return_to_service(life: Any) -> None:
    may = life.phase is Phase.CONNECTED
    assert ask(ReturnToService(a.SPEAKER), life) == Decision(MAY_RETURN if may else NO_RETURN)
    assert plist.parse(NO_RETURN.body) == {"ReturnToService": {"Enabled": False}}


def test_services_and_messages_that_are_not_offered_are_400() -> None:
    assert body(ask(UserAuthenticate(a.SPEAKER)), 400) == b""


@live
def test_a_living_connection_may_have_tokens_and_changes_nothing_by_asking(life: Any) -> None:
    assert ask(GetToken(a.SPEAKER, "com.apple.maid"), life) == Decision(MAY_HAVE_TOKEN)
