"""An answer that goes on: until its source ends, its client leaves, may not have it any more, or takes nothing."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from types import MappingProxyType

from starlette.responses import StreamingResponse

from corral.http.admin.lasting import Check, watch
from corral.http.asgi import GOES_ON, Receive, Scope, Send

EVENT_STREAM = "text/event-stream"
GOODBYE = 1.0
"""Seconds for the end of a stream, where its client may not have it any more."""
PATIENCE = 60.0
"""Seconds that a client may take to read what has been sent to it."""


class StreamResponse(StreamingResponse):
    """Unlike its parent it closes its source whatever ends it, and waits for no client for ever."""

    def __init__(
        self,
        chunks: AsyncGenerator[bytes],
        media_type: str = EVENT_STREAM,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        # Without buffering by proxies (nginx's header for it), or events would come late.
        super().__init__(chunks, headers={**headers, "x-accel-buffering": "no"}, media_type=media_type)
        self._source = chunks
        self.check: Check | None = None
        """Whether whoever asked may still have it; from whoever asks on the local socket nothing is taken away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.media_type == EVENT_STREAM:
            scope[GOES_ON] = True
        ending = [asyncio.create_task(self._send(scope["method"], send)), asyncio.create_task(_left(receive))]
        watching = None if self.check is None else asyncio.create_task(watch(self.check))
        if watching is not None:
            ending.append(watching)
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ending:
                each.cancel()
            over = watching is not None and watching.done()
            await asyncio.gather(*ending, return_exceptions=True)
        if over and self.media_type == EVENT_STREAM:  # any other must not look as if that had been all
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await send({"type": "http.response.body", "body": b""})

    async def _send(self, method: str, send: Send) -> None:
        async with aclosing(self._source) as source:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if method != "HEAD":
                async for chunk in source:
                    async with asyncio.timeout(PATIENCE):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
