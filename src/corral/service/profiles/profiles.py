"""All that is done with profiles, as one value."""

from collections.abc import Callable
from dataclasses import dataclass

from corral.service.clock import Clock
from corral.service.collecting.refreshing import Refreshing
from corral.service.commands.commanding import Commanding
from corral.service.commands.targeting import Targeting
from corral.service.profiles.comparing import Comparing
from corral.service.profiles.installing import Installing
from corral.service.profiles.keeping import Keeping
from corral.store.store import Store


@dataclass(frozen=True, slots=True)
class Profiles:
    keeping: Keeping
    installing: Installing
    comparing: Comparing


def make_profiles(
    store: Store, commanding: Commanding, refreshing: Refreshing, sign: Callable[[bytes], bytes], clock: Clock
) -> Profiles:
    """`sign` makes the signature that devices see."""
    keeping = Keeping(store.profiles, store.events, clock)
    return Profiles(
        keeping,
        Installing(keeping, store.profiles, commanding, refreshing, sign, clock),
        Comparing(store.profiles, store.queue, Targeting(store.directory, store.queue)),
    )
