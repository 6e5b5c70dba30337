"""Whoever guesses is stopped, by where they come from and by whom they say they are; nobody else is."""

import pytest

from corral.lifecycle.state import MINUTE
from corral.service.access.limits import FOR_ONE_NAME, OF_ONE_SOURCE, REMEMBERED, WINDOW, Limits
from corral.service.errors import TooManyAttempts
from service.fakes import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(clock: Clock) -> Limits:
    return Limits(clock)


def test_one_name_is_guessed_a_few_times_whoever_does_it(limits: Limits, clock: Clock) -> None:
    for number in range(FOR_ONE_NAME):
        limits.begin(f"10.0.0.{number}", "ann")
    with pytest.raises(TooManyAttempts) as refusal:
        limits.begin("10.0.1.1", "ann")
    assert 0 < refusal.value.wait <= WINDOW // 1000
    limits.begin("10.0.1.1", "bob")
    clock.now += WINDOW
    limits.begin("10.0.1.1", "ann")


def test_one_source_guesses_a_few_names(limits: Limits) -> None:
    for number in range(OF_ONE_SOURCE):
        limits.begin("10.0.0.1", f"user {number}")
    with pytest.raises(TooManyAttempts):
        limits.begin("10.0.0.1", "another")
    limits.begin("10.0.0.2", "another")


def test_a_whole_network_of_ipv6_is_one_source(limits: Limits) -> None:
    for number in range(OF_ONE_SOURCE):
        limits.begin(f"2001:db8:1:2::{number:x}", f"user {number}")
    with pytest.raises(TooManyAttempts):
        limits.begin("2001:db8:1:2:ffff::1", "another")
    limits.begin("2001:db8:1:3::1", "another")


def test_a_success_is_not_counted(limits: Limits) -> None:
    for _ in range(OF_ONE_SOURCE * 2):
        limits.succeeded(limits.begin("10.0.0.1", "ann"))
    limits.begin("10.0.0.1", "bob")


def test_strangers_shut_nobody_out_from_where_they_have_been(limits: Limits) -> None:
    limits.succeeded(limits.begin("10.0.0.1", "ann"))
    for number in range(FOR_ONE_NAME):
        limits.begin(f"10.9.9.{number}", "ann")
    with pytest.raises(TooManyAttempts):
        limits.begin("10.9.9.99", "ann")
    limits.succeeded(limits.begin("10.0.0.1", "ann"))


def test_where_all_come_through_a_proxy_only_names_count(limits: Limits) -> None:
    for number in range(OF_ONE_SOURCE * 3):
        limits.begin("", f"user {number}")
    for _ in range(FOR_ONE_NAME):
        limits.succeeded(limits.begin("", "ann"))
        limits.begin("", "ann")
    with pytest.raises(TooManyAttempts):
        limits.begin("", "ann")


def test_memory_is_bounded(limits: Limits, clock: Clock) -> None:
    for number in range(REMEMBERED + 5_000):
        limits.succeeded(limits.begin(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", f"n{number}"))
        clock.now += MINUTE // 1000
    assert len(limits._counts) <= REMEMBERED  # pyright: ignore[reportPrivateUsage] - there is no other way to see it
    assert len(limits._good) <= REMEMBERED  # pyright: ignore[reportPrivateUsage] - there is no other way to see it
