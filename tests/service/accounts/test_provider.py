"""A provider that hangs is asked by so many at once and no more: strangers may begin to sign in."""

import asyncio
from collections.abc import Sequence

import pytest

from corral.outgoing import Outgoing
from corral.service.accounts.provider import AT_ONCE, Client, Provider, ProviderError, make_proof
from service.fakes import Clock


async def test_a_provider_that_hangs_is_asked_by_so_many_at_once() -> None:
    asked, goes_on = list[str](), asyncio.Event()

    async def resolve(host: str, port: int) -> Sequence[str]:
        del port
        asked.append(host)
        await goes_on.wait()
        raise OSError("nobody knows it")

    client = Client("https://id.example", "corral", None, "openid", "https://mdm.example/callback")
    made = Provider(client, Outgoing(resolve=resolve), Clock())
    proof = make_proof(bytes(32), "nonce")
    waiting = [asyncio.create_task(made.sign_in_url("state", proof, "")) for _ in range(AT_ONCE)]
    await asyncio.sleep(0.05)
    for _ in range(3):
        with pytest.raises(ProviderError, match="too much at once"):
            await made.sign_in_url("state", proof, "")
    assert len(asked) == AT_ONCE
    goes_on.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(each, ProviderError) for each in found)
    with pytest.raises(ProviderError, match="cannot be resolved"):
        await made.sign_in_url("state", proof, "")
