"""Rows of the collection to values."""

from corral.lifecycle.collecting import Inquiry
from corral.lifecycle.state import DeliveryState
from corral.store.rows import Row

SELECT_INQUIRY = (
    "SELECT c.channel_id, c.report, c.asked_at, d.state, d.finished_at, c.stirred_at, s.request_type, s.state,"
    " s.finished_at"
)
JOIN_COMMANDS = (
    " LEFT JOIN delivery AS d ON d.channel_id = c.channel_id AND d.command_uuid = c.command_uuid"
    " LEFT JOIN delivery AS s ON s.channel_id = c.channel_id AND s.command_uuid = c.stirred_by"
)


def inquiry(row: Row) -> Inquiry:
    channel_id, report, asked_at, state, answered_at, stirred_at, stirring, stirring_state, stirring_done_at = row
    return Inquiry(
        channel_id=channel_id,
        report=report,
        asked_at=asked_at,
        state=None if state is None else DeliveryState(state),
        answered_at=answered_at,
        stirred_at=stirred_at,
        stirring=stirring or "",
        stirring_state=None if stirring_state is None else DeliveryState(stirring_state),
        stirring_done_at=stirring_done_at,
    )
