"""The certificate authorities of the installation: which there are, which one issues, and who is still believed.

There is one at first. A roll-over adds its successor: both are believed for as long as devices of the older one are
renewed over; then that one is retired. Its key stays, since a device takes an update of its enrollment profile from
whoever signed the first one only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from corral.lifecycle.change import Event
from corral.lifecycle.state import SECOND, Instant
from corral.pki.authority import Authority, read_authority
from corral.pki.cms.certificate import UNREADABLE
from corral.service.clock import Clock
from corral.store.vault import Vault

LEAD = 10 * SECOND
"""So long a new authority is believed before it issues: every process has read of it by then."""

SCEP_NAME = "corral"
"""What profiles call the first authority when they ask for its certificate; later ones append their id."""

ROSTER = "authorities"
_CERTIFICATE, _KEY = "authority.certificate", "authority.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One authority. Until `moved_by` the devices of the older ones are renewed over to it."""

    authority: Authority
    created_at: Instant = 0
    issues_from: Instant = 0
    moved_by: Instant = 0
    retired_at: Instant | None = None

    @property
    def id(self) -> str:
        return self.authority.id


@dataclass(frozen=True, slots=True)
class Roster:
    """All authorities, retired ones too, the oldest first."""

    held: tuple[Held, ...]

    @classmethod
    def of(cls, *authorities: Authority) -> "Roster":
        return cls(tuple(Held(authority=each) for each in authorities))

    @property
    def trusted(self) -> tuple[Held, ...]:
        return tuple(each for each in self.held if each.retired_at is None)

    @property
    def anchor(self) -> Authority:
        """The one that every device trusts: TLS of our own is served under it."""
        return self.trusted[0].authority

    def issuing(self, now: Instant) -> Held:
        """The one that new certificates come from."""
        return next((each for each in reversed(self.trusted) if each.issues_from <= now), self.trusted[0])

    def older(self, than: Held) -> tuple[Held, ...]:
        """Those that are still believed although another issues."""
        return tuple(each for each in self.trusted if each.created_at < than.created_at)

    def find(self, authority_id: str) -> Held | None:
        """By its id; the first one by an empty id, as it stands in what was written before there were others."""
        if not authority_id:
            return self.held[0]
        return next((each for each in self.held if each.id == authority_id), None)

    def asked(self, scep_name: str, now: Instant) -> Authority:
        """Which one a client of SCEP means: its profile has the digest of that one's certificate."""
        named = next((each for each in self.trusted if self.scep_name(each.authority) == scep_name), None)
        return (named or self.issuing(now)).authority

    def scep_name(self, authority: Authority) -> str:
        return SCEP_NAME if authority.id == self.held[0].id else f"{SCEP_NAME}-{authority.id}"

    def devices(self, issuers: Mapping[str, int]) -> dict[str, int]:
        """How many depend on each, by its id; what was issued before there were several is the first one's."""
        counted = {each.id: issuers.get(each.id, 0) for each in self.held}
        counted[self.held[0].id] += issuers.get("", 0)
        return counted

    def issuer_of(self, certificate: bytes) -> Authority:
        """Who signed a certificate (DER) of ours; raises LookupError."""
        leaf = x509.load_der_x509_certificate(certificate)
        for each in self.held:
            try:
                leaf.verify_directly_issued_by(each.authority.certificate)
            except (InvalidSignature, *UNREADABLE):
                continue
            return each.authority
        raise LookupError("the certificate is of no authority of this installation")


class Authorities:
    """The roster as this process knows it."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def current(self) -> Authority:
        """The one that issues now."""
        return self._roster.issuing(self._clock()).authority

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The certificates (DER) of all that are believed, the oldest first."""
        return tuple(each.authority.der for each in self._roster.trusted)

    def on_change(self, act: Callable[[], None]) -> None:
        self._listeners.append(act)

    def take(self, roster: Roster) -> None:
        if roster == self._roster:
            return
        self._roster = roster
        for act in self._listeners:
            act()


class _Entry(msgspec.Struct, kw_only=True, frozen=True):
    """What is kept of an authority beside its certificate and key."""

    id: str
    created_at: int
    issues_from: int
    moved_by: int
    retired_at: int | None


class AuthorityFile:
    """The roster in the vault: the first authority as `corral init` made it, further ones under their ids."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._seen: bytes | None = None
        self._read: Roster | None = None

    async def read(self) -> Roster | None:
        """None where there is no authority at all. Raises AuthorityError for one that cannot be read."""
        stored = await self._vault.get_secret(ROSTER)
        if self._read is not None and stored == self._seen:
            return self._read
        entries = msgspec.json.decode(stored, type=list[_Entry]) if stored else []
        known = {each.id: each for each in self._read.held} if self._read is not None else {}
        held: list[Held] = []
        for number, each in enumerate(entries or [_FIRST]):
            authority = known[each.id].authority if each.id in known else await self._authority(each.id, number)
            if authority is None:
                return None
            held.append(
                Held(
                    authority=authority,
                    created_at=each.created_at,
                    issues_from=each.issues_from,
                    moved_by=each.moved_by,
                    retired_at=each.retired_at,
                )
            )
        self._seen, self._read = stored, Roster(tuple(held))
        return self._read

    async def add(self, roster: Roster, new: Held, told: Event) -> Roster:
        """Its key first: an authority that stands in the roster can be read. `told` goes into the same commit."""
        await self._vault.put_secret(f"{_CERTIFICATE}.{new.id}", new.authority.certificate_pem())
        await self._vault.put_secret(f"{_KEY}.{new.id}", new.authority.key_pem())
        return await self._write((*roster.held, new), told)

    async def retire(self, roster: Roster, old: Held, now: Instant, told: Event) -> Roster:
        held = tuple(replace(each, retired_at=now) if each.id == old.id else each for each in roster.held)
        return await self._write(held, told)

    async def _write(self, held: Sequence[Held], told: Event) -> Roster:
        entries = [
            _Entry(
                id=each.id,
                created_at=each.created_at,
                issues_from=each.issues_from,
                moved_by=each.moved_by,
                retired_at=each.retired_at,
            )
            for each in held
        ]
        await self._vault.put_secret(ROSTER, msgspec.json.encode(entries), (told,))
        return Roster(tuple(held))

    async def _authority(self, authority_id: str, number: int) -> Authority | None:
        suffix = f".{authority_id}" if number else ""
        certificate = await self._vault.get_secret(f"{_CERTIFICATE}{suffix}")
        key = await self._vault.get_secret(f"{_KEY}{suffix}")
        return None if certificate is None or key is None else read_authority(certificate, key)


_FIRST = _Entry(id="", created_at=0, issues_from=0, moved_by=0, retired_at=None)
