"""Where an MDM message shows the token of an account: one that has ended is answered by the challenge to sign in again.

The message counts as not taken, and the device sends it again when its person has signed in. It stays enrolled.
"""

from dataclasses import dataclass

from corral.http.asgi import Scope, header
from corral.http.device.accounts.challenge import SIGN_IN, Challenge, bearer
from corral.lifecycle.evidence import Identity
from corral.service.accounts.gate import AccountGate


@dataclass(frozen=True, slots=True)
class SignInAgain:
    """`headers` hold the challenge."""

    headers: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def by(cls, challenge: Challenge) -> "SignInAgain":
        return cls(tuple((name.encode(), value.encode()) for name, value in challenge.headers().items()))

    @property
    def status(self) -> int:
        return SIGN_IN


class Gate:
    def __init__(self, accounts: AccountGate, challenge: Challenge) -> None:
        self._accounts = accounts
        self._again = SignInAgain.by(challenge)

    async def examine(self, scope: Scope, identity: Identity) -> SignInAgain | None:
        """None lets the message pass: Macs show no token on their device channel. Raises StoreUnavailable."""
        shown = header(scope, b"authorization")
        token = bearer(shown.decode("latin-1")) if shown is not None else ""
        return None if not token or await self._accounts.admits(token, identity) else self._again
