"""A name server that hangs holds up who asks for its names, and nobody else."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from corral.outgoing import Outgoing, OutgoingError
from corral.outgoing.names import Names


class NameServer:
    """Answers nothing for names that end so, until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.goes_on = threading.Event()

    def look_up(self, host: str, port: int) -> Sequence[str]:
        del port
        self.asked.append(host)
        if host.endswith("hangs.example"):
            assert self.goes_on.wait(20)
        if host.endswith("unknown.example"):
            raise OSError("unknown")
        return ["192.0.2.1"]


async def test_names_that_hang_hold_up_no_other() -> None:
    server = NameServer()
    names = Names(server.look_up)
    hanging = [asyncio.create_task(names(f"{number}.hangs.example", 443)) for number in range(20)]
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(names("other.example", 443), 5) == ["192.0.2.1"]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1, "nor what else has threads"
    server.goes_on.set()
    assert await asyncio.gather(*hanging) == [["192.0.2.1"]] * 20


async def test_who_asks_for_the_same_name_meanwhile_shares_the_look_up() -> None:
    server = NameServer()
    names = Names(server.look_up)
    outgoing = Outgoing(resolve=names, seconds=0.05)
    for _ in range(5):
        with pytest.raises(OutgoingError, match="no answer within"):
            await outgoing.request("GET", "https://hangs.example/")
    last = asyncio.create_task(names("hangs.example", 443))
    await asyncio.sleep(0)
    assert server.asked == ["hangs.example"]
    server.goes_on.set()
    assert await last == ["192.0.2.1"]
    assert await names("hangs.example", 443) == ["192.0.2.1"]
    assert server.asked == ["hangs.example"] * 2, "what was found is not kept"


async def test_what_nobody_knows_is_told_to_all_who_ask_also_if_they_have_gone() -> None:
    server = NameServer()
    names = Names(server.look_up)
    both = [asyncio.create_task(names("unknown.example", 443)) for _ in range(2)]
    found = await asyncio.gather(*both, return_exceptions=True)
    assert [type(each) for each in found] == [OSError, OSError]
    gone = asyncio.create_task(names("unknown.example", 443))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0.05)
    with pytest.raises(OutgoingError, match="cannot be resolved"):
        await Outgoing(resolve=names).request("GET", "https://unknown.example/")


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
async def test_an_address_is_not_looked_up(host: str) -> None:
    server = NameServer()
    assert await Names(server.look_up)(host, 443) == [host]
    assert server.asked == []


async def test_names_of_this_machine_are_found() -> None:
    assert set(await Names()("localhost", 443)) <= {"127.0.0.1", "::1"}
