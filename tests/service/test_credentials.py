"""Bearer tokens: shown once, kept as a hash, over when they are revoked or expired."""

import pytest

from corral.service.credentials import Credentials, digest
from corral.service.errors import NotFound
from service.fakes import NOW, Clock, FakeEvents, FakeVault


async def test_a_token_is_random_and_only_its_hash_is_kept() -> None:
    vault = FakeVault()
    credentials = Credentials(vault, FakeEvents(), Clock())
    made, token = await credentials.create("ann", None, "admin")
    _, other = await credentials.create("ann", None, "admin")
    assert token != other
    assert token.startswith("corral_")
    assert len(token) > 40
    assert made.digest == digest(token)
    assert (made.name, made.created_at, made.revoked_at) == ("ann", NOW, None)
    assert token not in repr(await vault.credentials())
    assert made.digest.hex() not in repr(made)
    assert len(await credentials.list()) == 2


async def test_a_token_lets_in_until_it_expires() -> None:
    clock = Clock()
    credentials = Credentials(FakeVault(), FakeEvents(), clock)
    made, token = await credentials.create("ann", NOW + 10, "admin")
    assert await credentials.verify(token) == made
    clock.now = NOW + 9
    assert await credentials.verify(token) == made
    clock.now = NOW + 10
    assert await credentials.verify(token) is None


async def test_a_token_lets_in_until_it_is_revoked() -> None:
    credentials = Credentials(FakeVault(), FakeEvents(), Clock())
    made, token = await credentials.create("ann", None, "admin")
    await credentials.revoke(made.id, "admin")
    assert await credentials.verify(token) is None
    with pytest.raises(NotFound, match=made.id):
        await credentials.revoke(made.id, "admin")


async def test_nothing_else_lets_in() -> None:
    credentials = Credentials(FakeVault(), FakeEvents(), Clock())
    _, token = await credentials.create("ann", None, "admin")
    for other in (token[:-1], token + "A", token.upper(), "", "corral_"):
        assert await credentials.verify(other) is None


async def test_what_is_no_token_of_ours_is_not_even_looked_up() -> None:
    class Watched(FakeVault):
        looked = 0

        async def find_credential(self, digest: bytes) -> None:
            del digest
            self.looked += 1

    vault = Watched()
    credentials = Credentials(vault, FakeEvents(), Clock())
    for token in ("", "bearer", "x" * 1_000_000, "corral_" + "x" * 1_000_000):
        assert await credentials.verify(token) is None
    assert vault.looked == 0
    assert await credentials.verify("corral_" + "x" * 121) is None
    assert vault.looked == 1
