"""The client of Apple's push service: a push in, an outcome out, one connection a topic."""

import asyncio
import random
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Final
from urllib.parse import urlsplit

from corral.apns.connection import Timeouts
from corral.apns.line import Line
from corral.apns.push import Accepted, CertificateRefused, Outcome, Push
from corral.apns.tls import PushCertificateError, make_context

PRODUCTION: Final = "https://api.push.apple.com:443"

__all__ = ["PRODUCTION", "PushCertificateError", "PushClient"]


class PushClient:
    """Sends pushes for any number of topics, each over its own connection with its own certificate.

    `url`: the push service, `https://host[:port]`. `trust_pem`: authorities to believe instead of those of
    the system, for a stand-in. `jitter` gives numbers in [0, 1). A topic's first push opens its connection.
    """

    def __init__(
        self,
        url: str = PRODUCTION,
        *,
        trust_pem: bytes | None = None,
        timeouts: Timeouts | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"the push service's URL is {url!r}: give https://host or https://host:port")
        self._host = parts.hostname
        self._port = parts.port or 443
        self._trust_pem = trust_pem
        self._timeouts = timeouts or Timeouts()
        self._jitter = jitter or random.SystemRandom().random
        self._lines: dict[str, Line] = {}
        self._retired: list[Line] = []

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(self._lines)

    def load(self, topic: str, certificate_pem: bytes, key_pem: bytes) -> None:
        """Use this certificate for the topic from now on; it also starts a stopped topic again.

        The key is unencrypted PEM, the certificate may be followed by its chain. Pushes under way finish on
        the old connection. Raises PushCertificateError, and then nothing has changed.
        """
        if not topic or not topic.isascii() or not topic.isprintable():
            raise PushCertificateError(f"{topic!r} cannot be a push topic")
        context = make_context(certificate_pem, key_pem, self._trust_pem)
        self.unload(topic)
        self._lines[topic] = Line(self._host, self._port, topic, context, self._timeouts, self._jitter)

    def unload(self, topic: str) -> None:
        line = self._lines.pop(topic, None)
        if line is not None:
            line.retire("the push certificate was replaced")
            self._retired = [*(old for old in self._retired if old.busy), line]

    async def send(self, push: Push) -> Outcome:
        """Send one push. Whatever the network or the server does is an outcome, within `Timeouts`."""
        line = self._lines.get(push.topic)
        if line is None:
            return CertificateRefused(None, "no push certificate is loaded for this topic")
        return await line.send(push)

    async def send_many(
        self, pushes: Iterable[Push], report: Callable[[Push, Outcome], None], *, at_once: int = 1000
    ) -> None:
        """Send all, `at_once` of them under way together, and report each as it is answered, in any order.

        The iterable is read as fast as pushes are answered, so it may be long.
        """
        source = iter(pushes)

        async def lane(first: Push) -> None:
            for push in chain((first,), source):
                outcome = await self.send(push)
                report(push, outcome)
                if not isinstance(outcome, Accepted):
                    await asyncio.sleep(0)  # a line that is down answers without waiting: let others run

        async with asyncio.TaskGroup() as lanes:
            for first in tuple(islice(source, at_once)):
                lanes.create_task(lane(first))

    async def close(self) -> None:
        """Let open pushes finish for a moment (`Timeouts.close`), then close every connection."""
        lines = [*self._lines.values(), *self._retired]
        self._lines.clear()
        self._retired.clear()
        await asyncio.gather(*(line.close() for line in lines))
