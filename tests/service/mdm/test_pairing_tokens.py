"""A watch's pairing token is good for that watch, for a while, if we made it."""

import pytest

from corral.apple.checkin import GetToken
from corral.apple.identifiers import Kind, Speaker
from corral.service.mdm.pairing_tokens import VALID, PairingTokens
from service.fakes import Clock

PHONE = Speaker("PHONE", "", Kind.DEVICE)


def asked(**fields: str | None) -> GetToken:
    plain = {"security_token": "6f1b", "phone_udid": "PHONE", "watch_udid": "WATCH"}
    return GetToken(PHONE, "com.apple.watch.pairing", **{**plain, **fields})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> PairingTokens:
    return PairingTokens(b"k" * 32, clock)


async def test_the_watch_that_its_phone_named_may_bring_it_for_a_while(tokens: PairingTokens, clock: Clock) -> None:
    token = await tokens.token(asked())
    assert token is not None
    assert tokens.is_good(token, "WATCH")
    assert not tokens.is_good(token, "OTHER WATCH")
    assert not PairingTokens(b"o" * 32, clock).is_good(token, "WATCH")
    clock.now += VALID
    assert not tokens.is_good(token, "WATCH")


@pytest.mark.parametrize("wrong", ["security_token", "phone_udid", "watch_udid"])
async def test_a_phone_that_does_not_say_all_gets_none(tokens: PairingTokens, wrong: str) -> None:
    assert await tokens.token(asked(**{wrong: None})) is None


async def test_a_device_gets_none_in_the_name_of_another(tokens: PairingTokens) -> None:
    assert await tokens.token(asked(phone_udid="ANOTHER")) is None


def test_nothing_of_it_can_be_changed(tokens: PairingTokens) -> None:
    token = tokens.make("6f1b", "PHONE", "WATCH")
    for place in range(len(token)):
        changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        assert not tokens.is_good(changed, "WATCH")
    for other in (b"", b"...", token[:-1], token + b".", b"\xff\xfe", token.replace(b".", b"", 1)):
        assert not tokens.is_good(other, "WATCH")
