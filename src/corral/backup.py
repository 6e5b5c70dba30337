"""The archive of a backup: one file, compressed, encrypted and authenticated under a passphrase.

`CORRAL-BACKUP`, a format byte, log2 of scrypt's N and a salt of 32 bytes stand in the clear. The rest is chunks: a
length (4 bytes, big-endian), then AES-256-GCM over at most CHUNK bytes. A chunk's nonce is its number and whether it
is the last, so that chunks left out, swapped, added or cut off are noticed; every archive has a salt, and so a key, of
its own. The chunks hold a zstd stream of messages (a length, then MessagePack): the header, the rows, the end.

The sealing key is in none of it: what the database holds sealed stays sealed in the archive.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, BinaryIO, Protocol, cast

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from corral.store.transfer import SCHEMA, TABLES, Batch, Facts, Source

MAGIC = b"CORRAL-BACKUP"
FORMAT = 1
CHUNK = 2**18
COST = 17
"""log2 of scrypt's N: 128 MiB and some 0.4 s for every passphrase that somebody tries."""
HIGHEST_COST = 18
LONGEST_MESSAGE = 2**27
"""Bytes; the longest message that a device may send fits several times."""

_SALT, _TAG = 32, 16
_VALUES = frozenset({bool, int, str, bytes, NoneType})
_TABLES = {table.name: table for table in TABLES}


class BackupError(Exception):
    """An archive cannot be read or written; one line says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an archive says of itself. `settings` is the text of `corral.toml`, `schema` that of store/transfer.py."""

    version: str
    created_at: int
    public_url: str
    settings: str = field(repr=False)
    facts: Facts
    schema: int = SCHEMA


class _Start(msgspec.Struct, tag="start", kw_only=True):
    version: str
    created_at: int
    public_url: str
    settings: str
    schema: int
    seal: bytes
    counts: dict[str, int]
    numbers: dict[str, int]


class _Rows(msgspec.Struct, tag="rows"):
    table: str
    columns: list[str]
    rows: list[tuple[Any, ...]]


class _End(msgspec.Struct, tag="end"):
    counts: dict[str, int]


_Message = _Start | _Rows | _End


class Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


async def write_archive(file: Writable, header: Header, source: Source, passphrase: bytes, cost: int = COST) -> None:
    """Everything that the source has. The caller makes the file durable, and removes it when this raises."""
    writer = _Writer(file, passphrase, cost)
    facts = header.facts
    writer.write(
        _Start(
            version=header.version,
            created_at=header.created_at,
            public_url=header.public_url,
            settings=header.settings,
            schema=header.schema,
            seal=facts.seal,
            counts=dict(facts.counts),
            numbers=dict(facts.numbers),
        )
    )
    written = {table.name: 0 for table in TABLES}
    async for batch in source.batches():
        written[batch.table.name] += len(batch.rows)
        writer.write(_Rows(batch.table.name, list(batch.table.columns), batch.rows))
    if written != dict(facts.counts):
        raise BackupError("The database gave other rows than it had counted; nothing was kept of this backup.")
    writer.write(_End(written))
    writer.finish()


class Archive:
    """An archive as a Source: it is read from its beginning to its end, once.

    Raises BackupError for whatever is wrong with it: the passphrase, a changed or missing byte, a newer program.
    """

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        self._messages = _read_messages(_Reader(file, passphrase))
        start = next(self._messages, None)
        if not isinstance(start, _Start):
            raise BackupError("The archive does not begin with a header; it is damaged.")
        if start.schema > SCHEMA:
            raise BackupError(
                f"The archive was written by a newer Corral ({start.version}): restore it with that or a later one."
            )
        self.header = Header(
            version=start.version,
            created_at=start.created_at,
            public_url=start.public_url,
            settings=start.settings,
            facts=Facts(seal=start.seal, counts=start.counts, numbers=start.numbers),
            schema=start.schema,
        )

    @property
    def facts(self) -> Facts:
        return self.header.facts

    async def batches(self) -> AsyncIterator[Batch]:
        for batch in self.read():
            yield batch

    def read(self) -> Iterator[Batch]:
        """All rows; when it ends, they are what the end of the archive says."""
        came = dict.fromkeys(self.facts.counts, 0)
        for message in self._messages:
            match message:
                case _Rows():
                    batch = _batch(message, older=self.header.schema < SCHEMA)
                    came[batch.table.name] = came.get(batch.table.name, 0) + len(batch.rows)
                    yield batch
                case _End():
                    if not dict(message.counts) == came == dict(self.facts.counts):
                        raise BackupError("The archive holds other rows than its header and its end say.")
                    if next(self._messages, None) is not None:
                        raise BackupError("The archive goes on after its end; it is damaged.")
                    return
                case _Start():
                    raise BackupError("The archive has two headers; it is damaged.")
        raise BackupError("The archive has no end: it was cut off, or never finished.")


def verify(archive: Archive) -> Mapping[str, int]:
    """Read everything; returns the rows of each table. Raises BackupError."""
    came: dict[str, int] = {}
    for batch in archive.read():
        came[batch.table.name] = came.get(batch.table.name, 0) + len(batch.rows)
    return came


def _batch(message: _Rows, *, older: bool) -> Batch:
    """An older archive may know fewer columns; the others get what the tables themselves give a row."""
    table, columns = _TABLES.get(message.table), tuple(message.columns)
    if table is None or not (columns == table.columns or (older and _are_some(columns, table.columns))):
        raise BackupError(f"The archive has a table {message.table!r} that this program does not know so.")
    if any(len(row) != len(columns) or not _VALUES.issuperset(map(type, row)) for row in message.rows):
        raise BackupError(f"A row of table {table.name} in the archive has other values than its columns.")
    return Batch(replace(table, columns=columns), message.rows)


def _are_some(columns: tuple[str, ...], known: tuple[str, ...]) -> bool:
    return len(set(columns)) == len(columns) and set(columns) <= set(known)


class _Writer:
    def __init__(self, file: Writable, passphrase: bytes, cost: int) -> None:
        salt = os.urandom(_SALT)
        head = _head(cost, salt)
        file.write(head)
        self._file = file
        self._head = head
        self._cipher = AESGCM(_derive(passphrase, salt, cost))
        self._compressor = zstandard.ZstdCompressor(level=6).compressobj()
        self._waiting = bytearray()
        self._number = 0

    def write(self, message: _Message) -> None:
        data = msgspec.msgpack.encode(message)
        if len(data) > LONGEST_MESSAGE:
            raise BackupError(f"A row of {len(data)} bytes is longer than an archive can hold.")
        self._waiting += self._compressor.compress(len(data).to_bytes(4) + data)
        # The last chunk is told from the others, so one is held back until it is clear which that is.
        while len(self._waiting) > CHUNK:
            self._seal(CHUNK, last=False)

    def finish(self) -> None:
        self._waiting += self._compressor.flush()
        while len(self._waiting) > CHUNK:
            self._seal(CHUNK, last=False)
        self._seal(len(self._waiting), last=True)

    def _seal(self, size: int, *, last: bool) -> None:
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        sealed = self._cipher.encrypt(_nonce(self._number, last), data, self._head)
        self._number += 1
        self._file.write(len(sealed).to_bytes(4) + sealed)


class _Reader:
    """The zstd stream, as a file that is read forward."""

    def __init__(self, file: BinaryIO, passphrase: bytes) -> None:
        fixed = len(MAGIC) + 2
        start = _read(file, fixed)
        if start[: len(MAGIC)] != MAGIC or len(start) < fixed:
            raise BackupError("This file is not a backup of Corral.")
        format_, cost = start[-2:]
        if format_ != FORMAT:
            raise BackupError(f"The archive has format {format_}, and this program knows {FORMAT}: use a newer Corral.")
        salt = _read(file, _SALT)
        if len(salt) < _SALT or not 1 <= cost <= HIGHEST_COST:
            raise BackupError("The head of the archive is damaged.")
        self._file = file
        self._head = start + salt
        self._cipher = AESGCM(_derive(passphrase, salt, cost))
        self._number = 0
        self._opened = b""
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """At most a chunk at a time, which is what the decompressor asks for."""
        if not self._opened and not self._ended:
            self._opened = self._open()
        size = len(self._opened) if size < 0 else size
        given, self._opened = self._opened[:size], self._opened[size:]
        return given

    def _open(self) -> bytes:
        length = int.from_bytes(_read(self._file, 4))
        if not _TAG <= length <= CHUNK + _TAG:
            raise BackupError(self._cut_off() if length == 0 else "The archive is damaged.")
        sealed = _read(self._file, length)
        if len(sealed) < length:
            raise BackupError(self._cut_off())
        for last in (False, True):
            try:
                data = self._cipher.decrypt(_nonce(self._number, last), sealed, self._head)
            except InvalidTag:
                continue
            self._number += 1
            self._ended = last
            if last and _read(self._file, 1):
                raise BackupError("The archive goes on after its last chunk; it is damaged.")
            return data
        if self._number == 0:
            raise BackupError("The archive does not open: another passphrase, or it was changed.")
        raise BackupError(f"Chunk {self._number} of the archive was changed, or is out of its place.")

    def _cut_off(self) -> str:
        return f"The archive was cut off after {self._number} chunks."


def _read_messages(reader: _Reader) -> Iterator[_Message]:
    decoder = msgspec.msgpack.Decoder(_Message)
    source = cast(BinaryIO, reader)  # of a file it uses `read` only
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**27)
    with decompressor.stream_reader(source, read_size=CHUNK, closefd=False) as plain:
        while True:
            try:
                head = _read(plain, 4)
                if not head:
                    return
                length = int.from_bytes(head)
                if len(head) < 4 or length > LONGEST_MESSAGE:
                    raise BackupError("A message of the archive has an impossible length; it is damaged.")
                data = _read(plain, length)
            except zstandard.ZstdError as error:
                raise BackupError(f"The archive does not decompress: {error}.") from None
            try:
                yield decoder.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BackupError(f"A message of the archive is not what it should be: {error}.") from None


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def _read(file: _Readable, size: int) -> bytes:
    """So many bytes, or fewer at the end; memory grows with what is there, not with what is said to be."""
    parts = list[bytes]()
    while size > 0:
        part = file.read(min(size, CHUNK))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _head(cost: int, salt: bytes) -> bytes:
    return MAGIC + bytes((FORMAT, cost)) + salt


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    if not passphrase:
        raise BackupError("The passphrase is empty.")
    try:
        return Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(passphrase)
    except MemoryError:
        raise BackupError(f"There are no {2 ** (cost - 10)} MiB of memory to make a key of the passphrase.") from None


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + bytes((last,))
