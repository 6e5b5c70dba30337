"""The archive: what goes in comes out, and nothing else is taken for it."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corral import backup
from corral.backup import Archive, BackupError, Header, verify, write_archive
from corral.store.transfer import TABLES, Batch, Facts, Row

PASSPHRASE = b"correct horse battery staple"
CHEAP = 4
"""A cost of the passphrase that a test can pay a thousand times."""

PROFILE, EVENT, SECRET = (next(each for each in TABLES if each.name == name) for name in ("profile", "event", "secret"))


class Rows:
    """A source of the rows of three tables."""

    def __init__(self, batches: list[Batch]) -> None:
        counts = {table.name: 0 for table in TABLES}
        for batch in batches:
            counts[batch.table.name] += len(batch.rows)
        self._batches = batches
        self.facts = Facts(seal=b"the seal", counts=counts, numbers={"event": 7})

    async def batches(self) -> AsyncIterator[Batch]:
        for batch in self._batches:
            yield batch


def event(number: int, data: str = "{}") -> Row:
    return number, "test.happened", 1_790_000_000_000, None, "C1", data, None


def some(size: int = 10) -> Rows:
    return Rows(
        [
            Batch(PROFILE, [(b"\x00" * 32, bytes(range(256)) * size), (b"\xff" * 32, b"")]),
            Batch(EVENT, [event(number, '{"text": "ä\\u0000"}') for number in range(1, size)]),
            Batch(SECRET, [("authority.key", b"sealed")]),
        ]
    )


async def archived(rows: Rows, *, settings: str = 'organization = "Test"\n') -> bytes:
    file = io.BytesIO()
    header = Header("0.1", 1_790_000_000_000, "https://mdm.example.org", settings, rows.facts)
    await write_archive(file, header, rows, PASSPHRASE, CHEAP)
    return file.getvalue()


def read(data: bytes, passphrase: bytes = PASSPHRASE) -> tuple[Header, list[Batch]]:
    archive = Archive(io.BytesIO(data), passphrase)
    return archive.header, list(archive.read())


async def test_everything_comes_back() -> None:
    rows = some()
    header, batches = read(await archived(rows))
    assert batches == [batch async for batch in rows.batches()]
    assert header == Header("0.1", 1_790_000_000_000, "https://mdm.example.org", 'organization = "Test"\n', rows.facts)


async def test_more_than_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "CHUNK", 64)
    data = await archived(some(200))
    assert data.count((64 + 16).to_bytes(4)) > 3
    assert verify(Archive(io.BytesIO(data), PASSPHRASE)) == {"profile": 2, "event": 199, "secret": 1}


async def test_nothing_of_it_is_in_the_clear() -> None:
    data = await archived(some(), settings="CANARY")
    for secret in (b"CANARY", b"mdm.example.org", b"the seal", b"authority.key", b"test.happened"):
        assert secret not in data


async def test_two_archives_of_the_same_have_nothing_in_common() -> None:
    one, other = await archived(some()), await archived(some())
    head = len(backup.MAGIC) + 2
    assert one[:head] == other[:head]
    assert one[head : head + 32] != other[head : head + 32]
    assert one[head + 36 : head + 64] != other[head + 36 : head + 64]


async def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(BackupError, match="another passphrase"):
        read(await archived(some()), b"Correct horse battery staple")


async def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(BackupError, match="empty"):
        await write_archive(io.BytesIO(), replace_header(some()), some(), b"", CHEAP)


async def test_every_cut_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "CHUNK", 100)
    data = await archived(some(30))
    for end in range(len(data)):
        with pytest.raises(BackupError):
            read(data[:end])


async def test_every_changed_byte_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "CHUNK", 100)
    data = await archived(some(20))
    for place in range(len(data)):
        if place == len(backup.MAGIC) + 1:
            continue  # the cost of the passphrase: another one opens nothing, but may take minutes to say so
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(BackupError):
            read(bytes(changed))


async def test_chunks_in_another_order_or_left_out_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "CHUNK", 100)
    data = await archived(some(60))
    head = len(backup.MAGIC) + 2 + 32
    chunk = 4 + 100 + 16
    first, second, third = (data[head + n * chunk : head + (n + 1) * chunk] for n in range(3))
    rest = data[head + 3 * chunk :]
    assert len(rest) > chunk
    for chunks in (
        (second, first, third, rest),
        (first, third, rest),
        (first, second, second, third, rest),
        (first, second, third, rest, third),
        (first, second, third, rest[-chunk:]),
    ):
        with pytest.raises(BackupError):
            read(data[:head] + b"".join(chunks))


async def test_chunks_of_another_archive_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "CHUNK", 100)
    one, other = await archived(some(60)), await archived(some(60))
    head = len(backup.MAGIC) + 2 + 32
    with pytest.raises(BackupError):
        read(one[: head + 120] + other[head + 120 :])


async def test_rows_that_the_header_did_not_count_are_refused_on_both_sides() -> None:
    rows = some()
    lying = Facts(seal=b"", counts={**rows.facts.counts, "event": 1}, numbers={})
    header = replace(replace_header(rows), facts=lying)
    with pytest.raises(BackupError, match="other rows than it had counted"):
        await write_archive(io.BytesIO(), header, rows, PASSPHRASE, CHEAP)


async def test_an_archive_of_a_newer_program_is_refused() -> None:
    rows, file = some(), io.BytesIO()
    await write_archive(file, replace(replace_header(rows), schema=99), rows, PASSPHRASE, CHEAP)
    with pytest.raises(BackupError, match="newer Corral"):
        read(file.getvalue())


def older(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Header:
    """Of a program that knew neither the last column of `event` nor the table `secret`."""
    known = [replace(EVENT, columns=EVENT.columns[:-1]) if table == EVENT else table for table in TABLES]
    monkeypatch.setattr(backup, "SCHEMA", backup.SCHEMA + 1)
    monkeypatch.setattr(backup, "TABLES", tuple(table for table in known if table != SECRET))
    del rows.facts.counts["secret"]  # pyright: ignore[reportIndexIssue] - a dict, as this module has made it
    return replace(replace_header(rows), schema=backup.SCHEMA - 1)


async def test_an_older_archive_may_know_fewer_columns_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    known = replace(EVENT, columns=EVENT.columns[:-1])
    rows = Rows([Batch(known, [event(1)[:-1]])])
    with monkeypatch.context() as then:
        file = io.BytesIO()
        await write_archive(file, older(rows, then), rows, PASSPHRASE, CHEAP)
        assert read(file.getvalue())[1] == [Batch(known, [event(1)[:-1]])]
    with pytest.raises(BackupError, match="'event' that this program does not know so"):
        read(file.getvalue())


def replace_header(rows: Rows) -> Header:
    return Header("0.1", 0, "https://mdm.example.org", "", rows.facts)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_strange_files_get_one_kind_of_error(data: bytes) -> None:
    for start in (b"", backup.MAGIC, backup.MAGIC + bytes((backup.FORMAT, 1)) + b"\0" * 32):
        with pytest.raises(BackupError):
            read(start + data)


@given(st.binary(max_size=300), st.booleans())
@example(b"\x82\xa4type\xa5start\xa7version\xa1\xff", True)  # text that is no UTF-8
@settings(max_examples=300, deadline=None)
def test_whoever_knows_the_passphrase_gets_one_kind_of_error_too(data: bytes, framed: bool) -> None:
    """Content that was never a message, in chunks that are authentic."""
    import zstandard
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    head = backup.MAGIC + bytes((backup.FORMAT, 1)) + b"\0" * 32
    key = Scrypt(salt=b"\0" * 32, length=32, n=2, r=8, p=1).derive(PASSPHRASE)
    plain = len(data).to_bytes(4) + data if framed else data
    sealed = AESGCM(key).encrypt(b"\0" * 11 + b"\1", zstandard.compress(plain), head)
    with pytest.raises(BackupError):
        read(head + len(sealed).to_bytes(4) + sealed)
