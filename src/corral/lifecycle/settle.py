"""Derives, at every transition, the two columns that let ordinary traffic pass without a decision."""

from dataclasses import replace

from corral.lifecycle.state import FOREVER, Connection, Device, Phase


def settle(connection: Connection, device: Device) -> Connection:
    """The same connection with `open` and `recheck_at` as its state demands.

    Open: connected, or ending and still within its deadline (RemoveProfile must get through); the device is not
    blocked; no re-check-in is half done, since its TokenUpdate may turn out to begin another life.
    """
    pending = connection.reauthenticated_at is not None or (
        connection.renewal is not None and connection.renewal.authenticated_at is not None
    )
    speaks = connection.phase in (Phase.CONNECTED, Phase.ENDING)
    recheck_at = connection.end_request.deadline if connection.end_request else FOREVER
    is_open = speaks and not pending and device.blocked_at is None
    if (connection.open, connection.recheck_at) == (is_open, recheck_at):
        return connection
    return replace(connection, open=is_open, recheck_at=recheck_at)
