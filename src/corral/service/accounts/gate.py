"""The token that a device of an account shows with its MDM messages: whether it is good, and of the right account."""

from corral.lifecycle.evidence import Identity
from corral.service.accounts.sessions import Sessions
from corral.service.kept_profile import read_kept
from corral.store.devices import DeviceStore
from corral.store.grants import GrantStore


class AccountGate:
    def __init__(self, sessions: Sessions, grants: GrantStore, devices: DeviceStore) -> None:
        self._sessions = sessions
        self._grants = grants
        self._devices = devices

    async def admits(self, token: str, identity: Identity) -> bool:
        """Whether this token goes with the connection of this certificate; one of no account needs none.

        Raises StoreUnavailable.
        """
        account = await self._account(identity)
        if account is None:
            return True
        session = await self._sessions.verify(token)
        return session is not None and session.account == account.lower()

    async def _account(self, identity: Identity) -> str | None:
        """The Managed Apple Account of a connection."""
        certificate = await self._grants.certificate(identity.fingerprint)
        if certificate is None:
            return None
        life = (await self._devices.load_connection(certificate.connection_id, 0)).bound
        kept = read_kept(life.profile) if life is not None else None
        return kept.facts.managed_account if kept is not None else None
