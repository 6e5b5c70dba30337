"""An answer that goes on: until its source ends, its client leaves, or its client takes nothing any more."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType

from starlette.responses import StreamingResponse

from corral.http.asgi import Receive, Scope, Send
from corral.http.measured import GOES_ON

EVENT_STREAM = "text/event-stream"
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.media_type == EVENT_STREAM:
            scope[GOES_ON] = True
        ending = [asyncio.create_task(self._send(scope["method"], send)), asyncio.create_task(_left(receive))]
        try:
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

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
