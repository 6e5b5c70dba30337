"""`command send --wait`: until every device has answered, or the time is over."""

import time
from typing import Any

from corral.cli.failure import UsageFailure
from corral.cli.reach.api import Api, segment

STEP = 0.5


def wait_for_answers(api: Api, sent: dict[str, Any], span: str) -> list[dict[str, Any]]:
    """The deliveries of the command with their results, as `GET /commands/{uuid}` has them."""
    from corral.settings import parse_duration

    try:
        until = time.monotonic() + parse_duration(span) / 1000
    except ValueError:
        raise UsageFailure(f"--wait takes a span such as 30s or 2m, not {span!r}.") from None
    path = f"/commands/{segment(sent['command_uuid'])}"
    while True:
        deliveries = api.pages(path, "deliveries", 0, "before", largest=100)["deliveries"]
        if all(each["delivery"]["state"] != "open" for each in deliveries) or time.monotonic() >= until:
            return deliveries
        time.sleep(STEP)
