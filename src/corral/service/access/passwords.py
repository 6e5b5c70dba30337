"""Passwords: kept as Argon2id (RFC 9106), checked aside and few at a time, since each check takes 64 MiB."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from corral.service.errors import OverCapacity, RequestRefused

T = TypeVar("T")

SHORTEST, LONGEST = 12, 256
COST = profiles.RFC_9106_LOW_MEMORY
"""What RFC 9106 recommends where memory is dear."""
AT_ONCE = 2
MOST_WAITING = 32


class Passwords:
    """One for a process."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(COST)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """Raises RequestRefused for a password that is too short or too long, and OverCapacity."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise RequestRefused(f"A password has {SHORTEST} characters or more, and {LONGEST} at most.")
        return await self._aside(lambda: self._hasher.hash(_bytes(password)))

    async def check(self, stored: str, password: str) -> bool:
        """Whether it is the password of this hash. It takes as long where there is no hash (`stored` empty), so that
        nobody learns which users there are. Raises OverCapacity."""
        fits = bool(stored) and len(password) <= LONGEST
        return await self._aside(lambda: self._verify(stored if fits else self._nobody(), password[:LONGEST])) and fits

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    def _nobody(self) -> str:
        if not self._nobodys:
            self._nobodys = self._hasher.hash(b"the password of nobody")
        return self._nobodys

    async def _aside(self, act: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise OverCapacity("Too many sign in at once; try again.")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(act)
        finally:
            self._waiting -= 1


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
