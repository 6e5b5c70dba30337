"""Where a request of the API comes from, as far as that can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from starlette.requests import Request

from corral.outgoing.addresses import Address, Network


@dataclass(frozen=True, slots=True)
class Proxies:
    """Through whom requests may come, whose own address tells nothing of who asks.

    `header` is the one in which they add the address that they were asked from, behind what was there already
    (X-Forwarded-For); empty: they say nothing.
    """

    networks: Sequence[Network] = ()
    header: str = ""

    def source(self, request: Request) -> str:
        """The address of who asks; empty where it is not known: the local socket, a proxy that does not say it."""
        peer = _address(_peer(request))
        if peer is None or not self._are(peer):
            return "" if peer is None else str(peer)
        said = ",".join(request.headers.getlist(self.header)) if self.header else ""
        # What a proxy has not added itself may be anybody's invention, so the last that is no proxy's counts.
        for each in reversed(said.split(",")):
            found = _address(each.strip())
            if found is None or not self._are(found):
                return "" if found is None else str(found)
        return ""

    def address(self, request: Request) -> str:
        """The same, and else that of the peer, whoever it is."""
        return self.source(request) or _peer(request)

    def _are(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


NO_PROXIES = Proxies()


def _peer(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _address(text: str) -> Address | None:
    """Some proxies add the port: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return ip_address(text)
    except ValueError:
        return None
