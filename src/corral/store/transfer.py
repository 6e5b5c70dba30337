"""Every row of a store, out of one back-end and into another: what a backup, a restore and a move are made of.

Both back-ends speak of the same tables and columns here, whatever theirs look like. Sealed columns travel sealed.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from corral.sealing import Sealer, SealError

Value: TypeAlias = bool | int | str | bytes | None
Row: TypeAlias = tuple[Value, ...]

SCHEMA = 12
"""Number of the tables below; it goes up whenever one of them changes."""

ROWS_AT_ONCE = 1000
BYTES_AT_ONCE = 2**20
"""A batch ends at either; a single row may be longer."""

SEAL_PLACE, SEALED = "meta/value/seal", b"corral"
"""What the check value of a database says once its sealing key opens it, and where it was sealed for."""


@dataclass(frozen=True, slots=True)
class Table:
    """`wide`: its rows hold whole messages, and may be megabytes each. `numbered`: the column, if any, that the
    database counts up by itself, and of which no number may come twice."""

    name: str
    columns: tuple[str, ...]
    booleans: frozenset[str] = frozenset()
    wide: bool = False
    numbered: str | None = None


def _table(name: str, columns: str, booleans: str = "", *, wide: bool = False, numbered: str | None = None) -> Table:
    return Table(name, tuple(columns.split()), frozenset(booleans.split()), wide, numbered)


TABLES = (
    _table("profile", "digest body", wide=True),
    _table(
        "device",
        "id version created_at user_enrollment blocked_at blocked_reason serial_number platform os_version"
        " build_version product_name model model_name name imei meid",
        "user_enrollment",
    ),
    _table(
        "connection",
        "number id device_id phase origin topic created_at admitted_by connected_at reauthenticated_at awaiting_since"
        " erasing_at ended_at end_reason proof open recheck_at renewal_grant_id renewal_asked_at"
        " renewal_authenticated_at end_by end_asked_at end_deadline end_note profile_digest"
        " taken_in",
        "open taken_in",
        numbered="number",
    ),
    _table(
        "channel",
        "number id connection_id user_id kind short_name long_name topic token magic token_updated_at unreachable"
        " awaiting_since ended_at",
        numbered="number",
    ),
    _table(
        "certificate",
        "number fingerprint authority purpose status connection_id device_id grant_id request_digest issued_at"
        " not_after heard_at attested issuer warned_days der",
        numbered="number",
    ),
    _table(
        "link",
        "number id token_digest created_at created_by note uses used expires_at device_id serial_number revoked_at"
        " identity",
        numbered="number",
    ),
    _table(
        "enroll_grant",
        "id version purpose connection_id link_id device_id serial_number created_at expires_at keys_issued spent_at"
        " revoked_at profile_digest kind account evidence",
    ),
    _table("acme_nonce", "nonce expires_at"),
    _table("acme_account", "id key thumbprint created_at expires_at"),
    _table(
        "acme_order",
        "id version account_id sealed_identifier challenge_token status created_at expires_at attested refusal"
        " request_digest fingerprint",
    ),
    _table("command", "uuid request_type created_at created_by body", wide=True),
    _table(
        "delivery",
        "sequence channel_id command_uuid request_type consequence state priority not_before expires_at deferred_at"
        " not_now_count queued_at delivered_at attempts finished_at trace taken_in",
        "taken_in",
        numbered="sequence",
    ),
    _table(
        "result",
        "id channel_id command_uuid connection_id status received_at unreadable body",
        "unreadable",
        wide=True,
        numbered="id",
    ),
    _table("inventory", "id connection_id device_id", numbered="id"),
    _table("inventory_attribute", "inventory_id name written key"),
    _table("inventory_item", "id sha kind identifier label fields", numbered="id"),
    _table("inventory_item_key", "item_id kind name key"),
    _table("inventory_has", "inventory_id kind item_id user_id"),
    _table("inventory_report", "inventory_id report user_id asked_at received_at sha"),
    _table(
        "inventory_change",
        "id connection_id device_id at report user_id name subject before after",
        numbered="id",
    ),
    _table("collection", "channel_id report asked_at command_uuid stirred_at stirred_by"),
    _table("stored_profile", "id identifier name created_at"),
    _table(
        "stored_profile_version",
        "profile_id version payload_uuid digest size created_at created_by note body",
        wide=True,
    ),
    _table("wanted_profile", "channel_id profile_id version command_uuid at asked_by"),
    _table("app", "id kind bundle_id version title minimum_os manifest_url manifest created_at created_by", wide=True),
    _table("escrow", "id connection_id kind at value", numbered="id"),
    _table("event", "sequence type at device_id connection_id data trace", numbered="sequence"),
    _table("work", "kind key due_at free_at lease again_at attempts"),
    _table("contact", "channel_id last_seen"),
    _table("contact_hour", "channel_id hour count"),
    _table("push_log", "id channel_id at outcome", numbered="id"),
    _table("push_state", "channel_id at outcome"),
    _table("unenrolling", "connection_id at"),
    _table("breaker", "id opened_at"),
    _table("secret", "name value"),
    _table("push_certificate", "topic certificate_pem key_pem apple_account not_after imported_at stopped"),
    _table("account_session", "id account subject created_at expires_at revoked_at"),
    _table("account_token", "digest session_id kind redirect_uri expires_at spent_at"),
    _table(
        "credential",
        "number id name digest created_at expires_at revoked_at created_by role permissions user_id",
        numbered="number",
    ),
    _table("user_account", "id name role password subject created_at created_by disabled_at"),
    _table("role", "name permissions created_at created_by"),
    _table(
        "audit",
        "sequence at outcome what device_id data actor_kind actor_id actor_name operation address agent request place"
        " link",
        numbered="sequence",
    ),
    _table("audit_end", "name value"),
    _table(
        "ade_server",
        "name created_at certificate_pem key_pem token token_expires_at server_uuid server_name org_id org_name"
        " admin_id default_profile",
    ),
    _table(
        "ade_sync",
        "server cursor cursor_at fetched_at synced_at tried_at failures problem terms_open warned_days",
        "terms_open",
    ),
    _table(
        "ade_device",
        "server serial_number seen_at model description color asset_tag device_family os profile_status profile_uuid"
        " profile_assign_time profile_push_time device_assigned_date op_date document deleted_at",
    ),
    _table(
        "ade_assignment",
        "server serial_number profile assigned_by by_person assigned_at due_at attempts outcome",
        "by_person",
    ),
    _table("ade_profile", "server name uuid document defined_at defined_by"),
    _table("ade_rule", "server position field pattern profile"),
    _table(
        "webhook",
        "id url note format types secrets created_at created_by disabled_at disabled_why passed succeeded_at"
        " failing_since paused_until problem holder held_until",
    ),
    _table(
        "letter",
        "webhook_id sequence device_id connection_id put_at attempts tried_at due_at dead_at problem",
    ),
    _table(
        "idempotency",
        "caller key digest attempt held_until expires_at changed status media_type answer",
        "changed",
        wide=True,
    ),
)
"""What others refer to comes first. Of `meta` only the check value travels, in the Facts."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a table, in its columns' order."""

    table: Table
    rows: list[Row] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of all rows before the first of them comes.

    `seal` is the check value of the sealing key; `counts` the rows of each table; `numbers` the last number that
    each numbered table has given out, whether or not its row is still there.
    """

    seal: bytes = field(repr=False)
    counts: Mapping[str, int]
    numbers: Mapping[str, int]


class TransferFailed(Exception):
    """Rows are missing or do not fit; one line says where."""


class Source(Protocol):
    """A store at one moment, however much is written to it meanwhile."""

    @property
    def facts(self) -> Facts: ...

    def batches(self) -> AsyncIterator[Batch]:
        """All rows, in the order of TABLES."""
        ...


class Target(Protocol):
    """An empty store that is being filled. It becomes one that can be opened only if all of it succeeds."""

    async def load(self, batch: Batch) -> None: ...

    async def count(self, table: Table) -> int: ...

    async def set_numbers(self, numbers: Mapping[str, int]) -> None:
        """The next row of each numbered table gets a number above these."""
        ...


async def carry(
    source: Source,
    target: Target,
    *,
    skip: Mapping[str, int] | None = None,
    tell: Callable[[str, int], None] = lambda table, rows: None,
) -> None:
    """Load everything, then count every table on both sides. Raises TransferFailed.

    `skip` leaves so many numbers of a table free after the last one; `tell` hears of each batch.
    """
    came = {table.name: 0 for table in TABLES}
    async for batch in source.batches():
        await target.load(batch)
        came[batch.table.name] += len(batch.rows)
        tell(batch.table.name, len(batch.rows))
    for table in TABLES:
        said, there = source.facts.counts.get(table.name, 0), await target.count(table)
        if not said == came[table.name] == there:
            raise TransferFailed(
                f"Table {table.name} has {said} rows, of which {came[table.name]} were read and {there} arrived."
            )
    last, free = source.facts.numbers, skip or {}
    await target.set_numbers({name: last.get(name, 0) + free.get(name, 0) for name in {*last, *free}})


def opens(seal: bytes, sealer: Sealer) -> bool:
    """Whether the sealing key is the one that a database's check value was made with."""
    try:
        return sealer.open(seal, SEAL_PLACE) == SEALED
    except SealError:
        return False


def bounded(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The same rows in lists that keep to ROWS_AT_ONCE and BYTES_AT_ONCE."""
    some, size = list[Row](), 0
    for row in rows:
        some.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(some) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield some
            some, size = [], 0
    if some:
        yield some
