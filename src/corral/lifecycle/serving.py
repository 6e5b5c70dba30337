"""The check-in services of a device channel: bootstrap token, tokens, declarations, Return to Service."""

import json
from dataclasses import replace

from corral.apple import plist
from corral.apple.checkin import (
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    ReturnToService,
    SetBootstrapToken,
)
from corral.lifecycle.change import ACCEPTED, Answer, Change, Decision, Escrow, Event
from corral.lifecycle.evidence import Moment
from corral.lifecycle.message import Message
from corral.lifecycle.state import Connection, EscrowKind, Phase, Snapshot

PLIST = "application/xml; charset=UTF-8"
JSON = "application/json"

MAY_HAVE_TOKEN = Answer(200)
"""To GetToken: what the token is, or that there is none, is for the token services to say."""

MAY_RETURN = Answer(200)
"""To ReturnToService: how, or that it may not, is for service/connections/returning.py to say."""

NO_RETURN = Answer(200, plist.dump({"ReturnToService": {"Enabled": False}}), PLIST)

EMPTY_SET = "none"
"""The token of a set of declarations without any; it never changes, so a device asks once."""


def decide_service(snapshot: Snapshot, message: Message, moment: Moment) -> Decision:
    """Rows 11 and 12: served while the life is authenticating or connected, else 400."""
    life = snapshot.bound
    if life is None or life.phase is Phase.ENDED:
        return Decision(Answer(400, reason="This connection is over; enroll the device again."))
    match message:
        case SetBootstrapToken():
            return _set_bootstrap_token(life, message, moment)
        case GetBootstrapToken():
            token = snapshot.escrow.get(EscrowKind.BOOTSTRAP_TOKEN)
            body = {"BootstrapToken": token} if token else {}
            return Decision(Answer(200, plist.dump(body), PLIST))
        case GetToken():
            return Decision(MAY_HAVE_TOKEN)
        case DeclarativeManagement():
            return serve_declarations(message)
        case ReturnToService() if life.phase is Phase.CONNECTED:
            return Decision(MAY_RETURN)
        case ReturnToService():
            return Decision(NO_RETURN)
        case _:
            return Decision(Answer(400, reason="This message is not expected on the device channel."))


def serve_declarations(message: DeclarativeManagement) -> Decision:
    """An empty set of declarations: a device that asks is told that there is nothing to apply."""
    match message.endpoint:
        case "tokens":
            tokens = {"SyncTokens": {"DeclarationsToken": EMPTY_SET, "Timestamp": "2026-01-01T00:00:00Z"}}
            return Decision(Answer(200, json.dumps(tokens).encode(), JSON))
        case "declaration-items":
            kinds: dict[str, list[object]] = {
                "Activations": [],
                "Assets": [],
                "Configurations": [],
                "Management": [],
            }
            items = {"Declarations": kinds, "DeclarationsToken": EMPTY_SET}
            return Decision(Answer(200, json.dumps(items).encode(), JSON))
        case "status":
            return Decision(ACCEPTED)
        case endpoint if endpoint.startswith("declaration/"):
            return Decision(Answer(404, reason="There is no such declaration."))
        case _:
            return Decision(Answer(400, reason="There is no such endpoint of declarative management."))


def _set_bootstrap_token(life: Connection, message: SetBootstrapToken, moment: Moment) -> Decision:
    """An absent or empty token says that the device holds none now; what was escrowed before is kept."""
    kept = Escrow(
        connection_id=life.id,
        kind=EscrowKind.BOOTSTRAP_TOKEN,
        value=message.bootstrap_token or None,
        at=moment.now,
    )
    event = Event(
        type="escrow.stored" if kept.value else "escrow.withdrawn",
        at=moment.now,
        device_id=life.device_id,
        connection_id=life.id,
        data={"kind": EscrowKind.BOOTSTRAP_TOKEN.value},
    )
    return replace(Decision(ACCEPTED), change=Change(escrow=(kept,), events=(event,), at=moment.now))
