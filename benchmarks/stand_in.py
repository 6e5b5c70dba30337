"""Apple's push service in a process of its own: the simulator's stand-in, with every token of a crowd registered."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, cast

import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks import crowd
from benchmarks.fleet import TOPIC
from benchmarks.processes import SPAWN
from corral.lifecycle.state import DAY
from corral.service.clock import system_clock, to_datetime
from corral.simulator.push_certificates import StandInApple
from corral.simulator.push_service import PushService
from corral.store.vault import StoredPushCertificate


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stand-in has accepted so far, and over how many connections."""

    accepted: int
    connections: int


class StandIn:
    """Until the end of the `with` block."""

    def __init__(self, tokens: int) -> None:
        self._apple = StandInApple.create(to_datetime(system_clock()))
        self._ours, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(theirs, self._apple.pem(), tokens), daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self.port = cast(int, self._ours.recv())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def root_pem(self) -> bytes:
        return self._apple.root_pem

    def push_certificate(self) -> StoredPushCertificate:
        """Of the fleet's topic."""
        now = system_clock()
        key = rsa.generate_private_key(65537, 2048)
        return StoredPushCertificate(
            topic=TOPIC,
            certificate_pem=self._apple.push_certificate(TOPIC, key.public_key(), to_datetime(now)),
            key_pem=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            apple_account="bench@example.org",
            not_after=now + 300 * DAY,
            imported_at=now,
        )

    def seen(self) -> Seen:
        self._ours.send(None)
        return cast(Seen, self._ours.recv())

    async def wait_for(self, accepted: int, patience: float) -> float:
        """Until it has accepted so many in all; when that was seen, on the clock of `time.perf_counter`."""
        async with asyncio.timeout(patience):
            while self.seen().accepted < accepted:  # noqa: ASYNC110 - another process knows
                await asyncio.sleep(0.05)
        return time.perf_counter()


def _work(pipe: "Connection[int | Seen, None]", apple: bytes, tokens: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, apple, tokens))


async def _serve(pipe: "Connection[int | Seen, None]", apple: bytes, tokens: int) -> None:
    service = PushService(StandInApple.from_pem(apple))
    for number in range(tokens):
        service.register(crowd.token(number), TOPIC, crowd.MAGIC, _wake)
    pipe.send(await service.start())
    asyncio.get_running_loop().add_reader(pipe.fileno(), _teller(pipe, service))
    await asyncio.Event().wait()


def _teller(pipe: "Connection[int | Seen, None]", service: PushService) -> Callable[[], None]:
    def tell() -> None:
        pipe.recv()
        pipe.send(Seen(service.tally.accepted, service.tally.connections))

    return tell


def _wake() -> None:
    """The crowd sleeps on: what is measured ends with the push."""
