"""Calls to URLs that an operator gave: an identity provider, a webhook.

Such a URL must not become a way into the network that the service stands in. So it is https, its name is resolved
once and what was resolved is connected to, addresses that are not public are refused unless the settings list their
network, redirects are not followed, proxies of the environment are not used, and time and size are bounded.
"""

from corral.outgoing.addresses import Network, Resolve, is_public
from corral.outgoing.client import Outgoing
from corral.outgoing.failure import OutgoingError
from corral.outgoing.kept import KeptLines
from corral.outgoing.line import Reply

__all__ = ["KeptLines", "Network", "Outgoing", "OutgoingError", "Reply", "Resolve", "is_public"]
