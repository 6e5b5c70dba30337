"""Stands between the devices and the service, and writes down what is said."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from corral.apple.plist import parse_dict
from corral.simulator.identity import Identity
from corral.simulator.transport import Detour, Response, Transport
from corral.simulator.trust import Trust
from crash.ledger import Account, Ledger

_REFUSED = (400, 401, 403, 404, 405, 410, 413, 500)
"""What no device of this fleet may ever be told: all of them are welcome and say nothing wrong."""


class Witness(Transport):
    """The devices' transport. A kept promise is not noticed; what breaks one goes into the ledger at once."""

    def __init__(self, ledger: Ledger, detours: Mapping[str, Detour]) -> None:
        super().__init__(connections=32, timeout=20, detours=detours)
        self._ledger = ledger

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        trust: Trust,
        identity: Identity | None = None,
    ) -> Response:
        sent = datetime.now(UTC)
        response = await super().request(method, url, headers=headers, body=body, trust=trust, identity=identity)
        self._ledger.slowest = max(self._ledger.slowest, (datetime.now(UTC) - sent).total_seconds())
        if response.status == 503:
            self._ledger.refused += 1
            if "retry-after" not in response.headers:
                self._ledger.accuse(f"{method} {url.rpartition('/')[2]}: 503 without Retry-After")
        elif response.status in _REFUSED:
            self._ledger.accuse(f"{method} {url.rpartition('/')[2]}: {response.status} {response.body[:200]!r}")
        elif response.status == 200 and method == "PUT":
            said: dict[str, Any] = parse_dict(body)
            self._note(self._ledger.account(said["UDID"]), said, sent, body, response.body)
        return response

    def _note(self, account: Account, said: Mapping[str, Any], sent: datetime, body: bytes, answer: bytes) -> None:
        match said:
            case {"MessageType": "Authenticate"}:
                account.authenticated = True
            case {"MessageType": "TokenUpdate"}:
                account.token_sent = sent
            case {"CommandUUID": str(uuid), "Status": "Acknowledged"}:
                if uuid not in account.taken:
                    account.taken[uuid] = body
                    account.unverified.append(uuid)
            case {"Status": "Idle" | "NotNow"}:
                pass
            case _:
                self._ledger.accuse(f"{account.udid} says what was not expected of it: {body[:300]!r}")
        if answer:
            self._note_command(account, answer)

    def _note_command(self, account: Account, command: bytes) -> None:
        uuid = str(parse_dict(command)["CommandUUID"])
        account.given[uuid] += 1
        if account.attempted.get(uuid) != command:
            self._ledger.accuse(f"{account.udid} got {uuid}, which nobody has queued for it like this")
        if uuid in account.taken:
            self._ledger.accuse(f"{account.udid} got {uuid} again, though its result had been taken")
