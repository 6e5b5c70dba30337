"""ACME accounts, orders and nonces: each once, whoever races, and none for ever."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from contract import values as v
from contract.conftest import Home
from corral.lifecycle.acme_order import AcmeAccount, AcmeOrder, AttestedKey, OrderStatus
from corral.lifecycle.state import DAY
from corral.pki.attestation import HardwareProperties, SecureBoot
from corral.store.acme import MOST_ORDERS
from corral.store.devices import Committed
from corral.store.store import Store

PROPERTIES = HardwareProperties(
    serial_number="C02", udid="U", os_version="15.1", sip_enabled=True, secure_boot=SecureBoot.FULL
)


def account(name: str = "A1", **fields: Any) -> AcmeAccount:
    plain: dict[str, Any] = {
        "id": name,
        "key": f'{{"kty":"{name}"}}',
        "thumbprint": v.fingerprint(name),
        "created_at": v.NOW,
        "expires_at": v.NOW + DAY,
    }
    return AcmeAccount(**{**plain, **fields})


def order(name: str = "O1", **fields: Any) -> AcmeOrder:
    plain: dict[str, Any] = {
        "id": name,
        "account_id": "A1",
        "identifier": "r.the-grant..MAC",
        "token": "token",
        "created_at": v.NOW,
        "expires_at": v.NOW + DAY,
    }
    return AcmeOrder(**{**plain, **fields})


async def test_a_nonce_is_spent_once_whoever_races(store: Store) -> None:
    spent = await asyncio.gather(*(store.acme.spend_nonce(b"nonce", v.NOW) for _ in range(8)))
    assert sorted(spent) == [False] * 7 + [True]
    assert await store.acme.spend_nonce(b"another", v.NOW)


async def test_a_key_has_one_account_which_is_kept_as_long_as_the_last_asks(store: Store) -> None:
    first = await store.acme.add_account(account())
    assert first == account()
    again = await store.acme.add_account(account("A2", thumbprint=first.thumbprint, expires_at=v.NOW + 2 * DAY))
    assert again == replace(first, expires_at=v.NOW + 2 * DAY)
    assert await store.acme.account("A1") == again == await store.acme.find_account(first.thumbprint)
    assert await store.acme.account("A2") is None
    assert await store.acme.find_account(b"nobody") is None


async def test_an_order_comes_back_as_it_was_put(home: Home) -> None:
    full = order(
        status=OrderStatus.VALID,
        attested=AttestedKey(properties=PROPERTIES, key_digest=b"k" * 32),
        refusal="zoë",
        request_digest=b"d" * 32,
        fingerprint=b"f" * 32,
    )
    async with home.open() as store:
        await store.acme.add_account(account())
        assert await store.acme.add_order(order())
        assert await store.acme.put_order(replace(full, version=1))
    async with home.open() as store:
        assert await store.acme.order("O1") == replace(full, version=2)
        assert await store.acme.order("O2") is None
    assert b"the-grant" not in home.raw(), "the ClientIdentifier is sealed"


async def test_of_two_who_change_an_order_one_does(store: Store) -> None:
    await store.acme.add_account(account())
    await store.acme.add_order(order())
    read = await store.acme.order("O1")
    assert read is not None
    changed = [replace(read, refusal=str(n)) for n in range(6)]
    outcomes = await asyncio.gather(*map(store.acme.put_order, changed))
    assert sorted(outcomes) == [False] * 5 + [True]
    now = await store.acme.order("O1")
    assert now == replace(changed[outcomes.index(True)], version=2)
    assert not await store.acme.put_order(order("nobody", version=1))


async def test_an_account_has_so_many_orders_and_no_more(store: Store) -> None:
    await store.acme.add_account(account())
    await store.acme.add_account(account("A2"))
    added = await asyncio.gather(*(store.acme.add_order(order(f"O{n}")) for n in range(MOST_ORDERS + 4)))
    assert sorted(added) == [False] * 4 + [True] * MOST_ORDERS
    assert await store.acme.add_order(order("other", account_id="A2"))
    later = v.NOW + DAY
    assert await store.acme.add_order(order("later", created_at=later, expires_at=later + DAY)), "those have expired"


async def test_an_order_keeps_its_account(store: Store) -> None:
    await store.acme.add_account(account(expires_at=v.NOW + 1))
    await store.acme.add_order(order(expires_at=v.NOW + 5))
    kept = await store.acme.account("A1")
    assert kept is not None
    assert kept.expires_at == v.NOW + 5


async def test_what_has_expired_is_forgotten_a_few_at_a_time(store: Store) -> None:
    for number in range(5):
        await store.acme.spend_nonce(bytes([number]), v.NOW + number)
    await store.acme.add_account(account(expires_at=v.NOW))
    await store.acme.add_account(account("A2", expires_at=v.NOW + 9))
    await store.acme.add_order(order(account_id="A2", expires_at=v.NOW + 1))
    assert await store.acme.forget_expired(v.NOW - 1, 10) == 0
    assert await store.acme.forget_expired(v.NOW + 3, 2) == 4
    assert await store.acme.account("A1") is None
    assert await store.acme.order("O1") is None
    assert await store.acme.account("A2") is not None
    assert await store.acme.forget_expired(v.NOW + 3, 10) == 2
    assert await store.acme.spend_nonce(b"\0", v.NOW)
    assert not await store.acme.spend_nonce(b"\4", v.NOW)


@pytest.mark.parametrize("attested", [None, PROPERTIES])
async def test_a_certificate_keeps_what_was_attested(store: Store, attested: HardwareProperties | None) -> None:
    certificate = v.certificate(attested=attested)
    change = replace(v.enrolled(1), certificates=(certificate,))
    assert await store.devices.commit(change) == Committed()
    assert await store.grants.certificate(certificate.fingerprint) == certificate
    loaded = await store.devices.load(v.contact("cert 1", "D1"))
    assert loaded.certificate == certificate
    detail = await store.directory.device("D1")
    assert detail is not None
    assert [each.attested for each in detail.certificates] == [attested]


async def test_a_device_that_is_forgotten_leaves_no_order(store: Store) -> None:
    await store.devices.commit(v.enrolled(1))
    await store.acme.add_account(account())
    await store.acme.add_order(order(fingerprint=v.fingerprint("cert 1")))
    await store.acme.add_order(order("O2", fingerprint=v.fingerprint("cert 2")))
    assert await store.devices.forget("D1")
    assert await store.acme.order("O1") is None
    assert await store.acme.order("O2") is not None
