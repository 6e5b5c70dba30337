"""An answer in the schema's keys."""

from corral.apple import catalog
from corral.apple.plist import PlistValue
from corral.simulator.asked import Asked, Reply, target_of


def tell(asked: Asked, **keys: PlistValue) -> Reply:
    """Of what is known, the keys that a device like this one has."""
    return Reply(keys=catalog.told(catalog.answer_keys(asked.request_type), keys, target_of(asked)))
