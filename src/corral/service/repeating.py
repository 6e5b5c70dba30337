"""Requests that are done once however often they are asked: draft-ietf-httpapi-idempotency-key-header-07."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from corral.lifecycle.state import SECOND, Instant
from corral.logs import lines
from corral.service.clock import Clock, fresh_id
from corral.service.errors import AnswerLost, KeyReused, StillUnderWay, TooManyKeysKept
from corral.store.errors import StoreUnavailable
from corral.store.idempotency import Asked, IdempotencyStore, KeptAnswer, Known, TooManyKeys

T = TypeVar("T")

HELD = 30 * SECOND
"""How long an attempt is believed to go on after it was last heard of ..."""
HEARD_EVERY = 10
"""... and how often, in seconds, it says so."""
WAIT = 60
"""Seconds after which somebody with too many keys may try again."""


class Repeating:
    """`keep`: how long a key and its answer are kept from the first request on."""

    def __init__(self, store: IdempotencyStore, clock: Clock, keep: Instant) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep

    async def once(
        self,
        asked: Asked,
        act: Callable[[str], Awaitable[T]],
        kept: Callable[[T], KeptAnswer],
        failed: Callable[[Exception], KeptAnswer],
    ) -> T | KeptAnswer:
        """What `act` answers, or the kept answer of an earlier request with this key.

        `act` is given the attempt by which all that it changes must be done (`Actor.attempt`); what it raises is raised
        here, and kept as `failed` says if something was changed before it failed. Raises KeyReused for a key of
        another request, StillUnderWay while the first is, AnswerLost where its answer is not known, and
        TooManyKeysKept.
        """
        attempt, now = fresh_id(), self._clock()
        try:
            known = await self._store.begin(asked, attempt, now=now, held_until=now + HELD, expires_at=now + self._keep)
        except TooManyKeys:
            raise TooManyKeysKept("Too many idempotency keys of yours are kept; ask without one.", WAIT) from None
        if known is not None:
            return _answered(known, asked)
        async with self._holding(attempt):
            try:
                answer = await act(attempt)
            except Exception as error:
                await self._finish(attempt, failed(error))
                raise
        await self._finish(attempt, kept(answer))
        return answer

    @contextlib.asynccontextmanager
    async def _holding(self, attempt: str) -> AsyncGenerator[None]:
        async def hold() -> None:
            while True:
                await asyncio.sleep(HEARD_EVERY)
                with contextlib.suppress(StoreUnavailable):
                    await self._store.hold(attempt, self._clock() + HELD)

        holding = asyncio.create_task(hold())
        try:
            yield
        finally:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)

    async def _finish(self, attempt: str, answer: KeptAnswer) -> None:
        """What was done is done, and answered, also where that cannot be kept: a repeat is told so then."""
        try:
            await self._store.finish(attempt, answer)
        except StoreUnavailable as error:
            lines.answer_lost(attempt=attempt, why=str(error))


def _answered(known: Known, asked: Asked) -> KeptAnswer:
    if known.digest != asked.digest:
        raise KeyReused("This idempotency key was used for another request; take a new one for each request.")
    if known.running:
        raise StillUnderWay("The first request with this idempotency key is still under way; ask again later.")
    if known.answer is None or known.answer.body is None:
        why = "was interrupted" if known.answer is None else "was too large to be kept"
        raise AnswerLost(
            f"A request with this idempotency key has been carried out, and is not again; its answer {why}: "
            "`GET /audit` has what it did."
        )
    return known.answer
