"""Which devices are not as they should be, of many."""

from collections.abc import Sequence
from typing import cast

import pytest

from corral.lifecycle.state import DeliveryState
from corral.service.commands.targeting import Targeting
from corral.service.profiles.comparing import ALL, DRIFT, Comparing
from corral.store.profiles import ProfileStore, StoredProfile, WantedProfile
from corral.store.queue import QueueStore, StoredResult

WIFI = StoredProfile(id="P1", identifier="org.example.wifi", name="", created_at=1, latest=1)


class Fleet:
    """Every thousandth of these channels has refused the profile, the others have not answered."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self.read = 0

    async def wanting(self, profile_id: str, after: str, limit: int) -> tuple[WantedProfile, ...]:
        first = int(after) + 1 if after else 0
        numbers = range(first, min(first + limit, self._channels))
        self.read += len(numbers)
        return tuple(
            WantedProfile(
                channel_id=f"{number:06}",
                device_id=f"D{number}",
                profile_id=profile_id,
                identifier=WIFI.identifier,
                number=1,
                payload_uuid="U",
                command_uuid="C",
                at=1,
                by="ann",
                delivery=DeliveryState.ERROR if number % 1000 == 999 else DeliveryState.OPEN,
                finished_at=None,
            )
            for number in numbers
        )

    async def recent(self, request_type: str, channel_ids: Sequence[str], each: int = 1) -> tuple[StoredResult, ...]:
        del request_type, channel_ids, each
        return ()


def over(fleet: Fleet) -> Comparing:
    return Comparing(cast(ProfileStore, fleet), cast(QueueStore, fleet), cast(Targeting, None))


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_all_that_drift_are_found_page_by_page(limit: int) -> None:
    comparing, found, pages, after = over(Fleet(10_500)), list[str](), 0, ""
    while True:
        page = await comparing.profile(WIFI, after, limit, DRIFT)
        assert len(page.compared) <= limit
        found += [each.wanted.device_id for each in page.compared if each.wanted is not None]
        pages += 1
        if page.after is None:
            break
        after = page.after
    assert found == [f"D{number}" for number in range(999, 10_500, 1000)]
    assert pages >= 3, "none looks through the whole fleet"


async def test_a_page_of_all_reads_no_more_than_it_shows() -> None:
    fleet = Fleet(1000)
    page = await over(fleet).profile(WIFI, "", 10, ALL)
    assert (len(page.compared), page.after, fleet.read) == (10, "000009", 11)
    last = await over(fleet).profile(WIFI, "000989", 10, ALL)
    assert (len(last.compared), last.after) == (10, None)
