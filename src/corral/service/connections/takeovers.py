"""Newcomers that wait to take the place of a connected device: let in or turned away."""

from corral.lifecycle import taking_over
from corral.lifecycle.change import Change
from corral.lifecycle.evidence import Moment
from corral.lifecycle.operating import OperationRefused
from corral.lifecycle.state import Connection, Grant, Link, Phase, Snapshot
from corral.service.errors import NotFound
from corral.service.mdm.transitions import Transitions
from corral.service.push.pushing import UNREGISTERED
from corral.store.directory import Directory
from corral.store.grants import GrantStore

DEAD_TOKEN = "Apple: the push token of the former connection is dead"  # noqa: S105 - a sentence, not a secret
_BY_GRANT = "grant:"


class Takeovers:
    def __init__(self, directory: Directory, grants: GrantStore, transitions: Transitions) -> None:
        self._directory = directory
        self._grants = grants
        self._transitions = transitions

    async def decide(self, device: str, *, accept: bool, by: str) -> None:
        """What a person says. Raises NotFound and OperationRefused."""
        device_id = await self._directory.resolve(device)
        if device_id is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        newcomer = (await self._transitions.look(device_id)).life(Phase.AUTHENTICATING)
        if newcomer is None:
            raise OperationRefused("There is no connection that waits to take the place of this device's.")
        await self._carry_out(newcomer, accept=accept, by=by)

    async def unreachable(self, connection_id: str) -> None:
        """No push reaches this connection: where its token is dead, who waits for its place is the device itself.

        What let it in must still be good, or a person has to say so. Raises OperationRefused, which says why.
        """
        snapshot = await self._transitions.look(connection_id)
        newcomer, former, channel = snapshot.life(Phase.AUTHENTICATING), snapshot.bound, snapshot.channel
        if newcomer is None or former is None or former.phase is not Phase.CONNECTED:
            return
        if channel is None or channel.unreachable != UNREGISTERED:
            return
        if taking_over.is_held(await self._transitions.look(newcomer.id)):
            grant, link = await self._granted(newcomer)

            def change(snapshot: Snapshot, moment: Moment) -> Change:
                return taking_over.let_in_by_itself(snapshot, grant, link, DEAD_TOKEN, moment)

            await self._transitions.operate(newcomer.id, change)

    async def _carry_out(self, newcomer: Connection, *, accept: bool, by: str) -> None:
        grant, link = await self._granted(newcomer)

        def change(snapshot: Snapshot, moment: Moment) -> Change:
            if accept:
                return taking_over.let_in(snapshot, grant, link, by, moment)
            return taking_over.turn_away(snapshot, by, moment)

        await self._transitions.operate(newcomer.id, change)

    async def _granted(self, life: Connection) -> tuple[Grant | None, Link | None]:
        if not life.admitted_by.startswith(_BY_GRANT):
            return None, None
        state = await self._grants.grant_state(life.admitted_by.removeprefix(_BY_GRANT))
        return (state.grant, state.link) if state is not None else (None, None)
