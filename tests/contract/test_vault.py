"""What belongs to the installation itself."""

import asyncio
from dataclasses import replace

from contract import values as v
from contract.conftest import Home


async def test_secrets_are_kept_by_name(home: Home) -> None:
    async with home.open() as store:
        assert await store.vault.get_secret("a") is None
        await store.vault.put_secret("a", b"first")
        await store.vault.put_secret("b", b"\x00\xff")
        await store.vault.put_secret("a", b"second")
    async with home.open() as store:
        assert await store.vault.get_secret("a") == b"second"
        assert await store.vault.get_secret("b") == b"\x00\xff"
        await store.vault.delete_secret("a")
        await store.vault.delete_secret("never there")
        assert await store.vault.get_secret("a") is None


async def test_of_several_that_keep_a_secret_the_first_counts_for_all(home: Home) -> None:
    async with home.open() as store:
        kept = await asyncio.gather(*(store.vault.keep_secret("key", value) for value in (b"one", b"two", b"three")))
        assert len(set(kept)) == 1
        assert await store.vault.keep_secret("key", b"late") == kept[0]
        assert await store.vault.get_secret("key") == kept[0]


async def test_a_push_certificate_is_replaced_by_topic(home: Home) -> None:
    first, second = v.push_certificate("t1"), v.push_certificate("t2", apple_account="other")
    async with home.open() as store:
        for each in (second, first):
            await store.vault.put_push_certificate(each)
        await store.vault.stop_topic("t1", "Apple: BadCertificate")
        await store.vault.stop_topic("nobody", "why")
    async with home.open() as store:
        stopped = replace(first, stopped="Apple: BadCertificate")
        assert await store.vault.push_certificates() == (stopped, second)
        renewed = replace(first, certificate_pem=b"new", key_pem=b"new key")
        await store.vault.put_push_certificate(renewed)
        assert await store.vault.push_certificates() == (renewed, second)
