"""What a day begins with: an installation that `corral init` makes, and many connections that are loaded in bulk."""

import contextlib
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.signing import Signer, Workshop
from corral.app import DATABASE, build, initialize
from corral.lifecycle.state import (
    DAY,
    Certificate,
    CertificateStatus,
    Channel,
    Connection,
    Grant,
    Instant,
    Origin,
    Phase,
    Purpose,
)
from corral.lifecycle.state import Device as KnownDevice
from corral.pki.authority import Authority, create_authority
from corral.sealing import Sealer, make_key_file, read_keys
from corral.service.clock import system_clock
from corral.settings import Settings, read_settings
from corral.simulator.facts import Facts, Model, make_facts
from corral.simulator.push_certificates import StandInApple
from corral.store import rows
from corral.store.sqlite import open_sqlite
from corral.store.sqlite.transfer import reading_sqlite
from corral.store.transfer import TABLES, Batch, Row, Source, Table, Target, bounded, carry
from corral.store.transfer import Facts as Counts

TOPIC: Final = "com.apple.mgmt.External.00000000-0000-4000-8000-0000000000da"
PUBLIC_URL: Final = "https://mdm.example.org"
Filling: TypeAlias = Callable[[bytes], AbstractAsyncContextManager[Target]]
"""Opens the empty database that the day will be played over, given the check value of the sealing key."""

_COLUMNS: Final = {
    "device": rows.DEVICE,
    "connection": f"number {rows.LIFE} taken_in".replace(" profile", " profile_digest"),
    "channel": f"number id {rows.CHANNEL}",
    "certificate": f"number {rows.CERTIFICATE}",
    "enroll_grant": rows.GRANT.replace(" profile", " profile_digest"),
    "contact": "channel_id last_seen",
}
"""What each of the tables has one row more of for a connection."""

_MIX: Final = (Model.IPHONE,) * 5 + (Model.IPAD,) * 3 + (Model.MAC,) * 4 + (Model.APPLE_TV, Model.VISION)


@dataclass(frozen=True, slots=True)
class Person:
    """A device that is connected when the day begins: what it keeps of its enrollment."""

    number: int
    connection: str
    signer: Signer
    token: bytes = field(repr=False)
    magic: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Start:
    """What devices know when the day begins. `profile` is as it would be downloaded, `link` lets new ones in."""

    people: Sequence[Person] = field(repr=False)
    keys: Sequence[bytes] = field(repr=False)
    profile: bytes = field(repr=False)
    link: str = field(repr=False)


def facts_of(number: int) -> Facts:
    """The same for the same number, wherever they are asked for."""
    return make_facts(Random(number), _MIX[number % len(_MIX)], number=number)


async def make_installation(
    data: Path, target: Filling, apple: StandInApple, devices: int, newcomers: int, keys: int, workshop: Workshop
) -> Start:
    """In `data` and at the target; `devices` are connected, and a link is there for as many `newcomers`."""
    settings, sealer = _make_folder(data)
    await initialize(settings)
    authority = await _use_shorter_key(data, sealer)
    link, profile, kept = await _prepare(settings, apple, newcomers)
    pems = await workshop.make_keys(keys)
    connections = [str(uuid.uuid4()) for _ in range(devices)]
    signers = await workshop.issue(authority, pems, connections)
    people = [
        Person(number, connection, signer, os.urandom(32), str(uuid.uuid4()).upper())
        for number, (connection, signer) in enumerate(zip(connections, signers, strict=True), 1)
    ]
    with _aside(data / DATABASE) as small:
        async with reading_sqlite(small) as source, target(source.facts.seal) as filling:
            await carry(_Crowded(source, people, kept, sealer, system_clock() - DAY), filling)
    return Start(people, pems, profile, link)


def _make_folder(data: Path) -> tuple[Settings, Sealer]:
    data.mkdir(parents=True)
    make_key_file(data / "sealing.key")
    settings = read_settings({"data": data, "public_url": PUBLIC_URL})
    return settings, Sealer(read_keys((data / "sealing.key").read_text(), "sealing.key"))


@contextlib.contextmanager
def _aside(database: Path) -> Generator[Path]:
    """Under another name, and gone afterwards."""
    small = database.rename(database.with_name("small.db"))
    yield small
    small.unlink()


async def _use_shorter_key(data: Path, sealer: Sealer) -> Authority:
    """RSA-2048 for the authority, where `corral init` takes 3072: a signature takes a quarter of the time."""
    authority = create_authority("Benchmark", datetime.now(UTC), key=rsa.generate_private_key(65537, 2048))
    async with open_sqlite(data / DATABASE, sealer) as store:
        await store.vault.put_secret("authority.certificate", authority.certificate_pem())
        await store.vault.put_secret("authority.key", authority.key_pem())
    return authority


async def _prepare(settings: Settings, apple: StandInApple, newcomers: int) -> tuple[str, bytes, bytes]:
    """The URL of a link, a profile as a device downloads it, and what the service keeps of it for its renewal."""
    key = rsa.generate_private_key(65537, 2048)
    certificate = apple.push_certificate(TOPIC, key.public_key(), datetime.now(UTC))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    async with build(settings) as corral:
        services = corral.services
        await services.push_certificates.import_(certificate, pem, "", force=False, by="day")
        uses = max(newcomers, 1)
        link, token = await services.enrolling.create_link(uses=uses, expires_at=system_clock() + 7 * DAY)
        profile = await services.enrolling.profile(link)
        return services.enrolling.link_url(token), profile, await services.enrolling.keep(signed=True)


class _Crowded:
    """All rows of a source, and of many connections more: device, life, channel, certificate and grant of each."""

    def __init__(
        self, source: Source, people: Sequence[Person], profile: bytes, sealer: Sealer, since: Instant
    ) -> None:
        self._source = source
        self._people = people
        self._profile = profile
        self._digest = hashlib.sha256(profile).digest()
        self._sealer = sealer
        self._since = since
        counts = dict(source.facts.counts)
        for name in _COLUMNS:
            counts[name] += len(people)
        counts["profile"] += 1
        self.facts = Counts(seal=source.facts.seal, counts=counts, numbers=source.facts.numbers)

    async def batches(self) -> AsyncIterator[Batch]:
        found: dict[str, list[Row]] = {table.name: [] for table in TABLES}
        async for batch in self._source.batches():
            found[batch.table.name] += batch.rows
        for table in TABLES:
            for some in bounded(found[table.name]):
                yield Batch(table, some)
            for some in bounded(self._more(table, len(found[table.name]))):
                yield Batch(table, some)

    def _more(self, table: Table, before: int) -> Iterator[Row]:
        match table.name:
            case "profile":
                yield self._digest, self._profile
            case name if name in _COLUMNS:
                given = _COLUMNS[name].split()
                order = [given.index(column) for column in table.columns]
                for number, person in enumerate(self._people, before + 1):
                    row = self._row(name, number, person)
                    yield tuple(row[place] for place in order)
            case _:
                pass

    def _row(self, name: str, number: int, person: Person) -> Row:
        """Its values in the order of _COLUMNS."""
        facts, at = facts_of(person.number), self._since
        grant = f"day-{person.number}"
        match name:
            case "device":
                return rows.device_row(
                    KnownDevice(
                        id=facts.udid,
                        version=1,
                        created_at=at,
                        serial_number=facts.serial_number,
                        platform=facts.platform,
                        os_version=facts.os_version,
                        build_version=facts.build_version,
                        product_name=facts.product_name,
                        model=facts.model_number,
                        model_name=facts.model_name,
                        name=facts.device_name,
                        imei=facts.imei,
                    )
                )
            case "connection":
                life = Connection(
                    id=person.connection,
                    device_id=facts.udid,
                    phase=Phase.CONNECTED,
                    origin=Origin.ENROLLED,
                    topic=TOPIC,
                    created_at=at,
                    admitted_by=f"grant:{grant}",
                    connected_at=at,
                    open=True,
                )
                # The inventory has them already: a day is not about the first hour after an upgrade.
                return number, *rows.life_row(life, self._digest), True
            case "channel":
                channel = Channel(
                    connection_id=person.connection,
                    topic=TOPIC,
                    token=person.token,
                    magic=person.magic,
                    token_updated_at=at,
                )
                return number, channel.id, *rows.channel_row(channel, self._sealer)
            case "certificate":
                der = person.signer.certificate
                return number, *rows.certificate_row(
                    Certificate(
                        fingerprint=hashlib.sha256(der).digest(),
                        authority="",
                        purpose=Purpose.ENROLL,
                        status=CertificateStatus.BOUND,
                        connection_id=person.connection,
                        device_id=facts.udid,
                        grant_id=grant,
                        issued_at=at,
                        not_after=at + 90 * DAY,
                        heard_at=at,
                        der=der,
                    )
                )
            case "enroll_grant":
                return rows.grant_row(
                    Grant(
                        id=grant,
                        version=2,
                        purpose=Purpose.ENROLL,
                        connection_id=person.connection,
                        device_id=facts.udid,
                        created_at=at,
                        expires_at=at + DAY,
                        keys_issued=1,
                        spent_at=at,
                    ),
                    None,
                )
            case _:
                return person.connection, at
