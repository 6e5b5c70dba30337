"""Which authorities there are, which one issues, and who is still believed."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from contract import values as v
from corral.pki.authority import Authority, create_authority, issue_identity
from corral.service.authorities.authorities import Authorities, AuthorityFile, Held, Roster
from corral.service.clock import to_datetime
from service.fakes import NOW, Clock, FakeVault


@pytest.fixture(scope="module")
def second(keys: list[rsa.RSAPrivateKey]) -> Authority:
    return create_authority("Test authority", to_datetime(NOW), key=keys[1])


@pytest.fixture
def roster(authority: Authority, second: Authority) -> Roster:
    new = Held(authority=second, created_at=NOW, issues_from=NOW + 10, moved_by=NOW + 1000)
    return Roster((Held(authority=authority), new))


def retired(roster: Roster) -> Roster:
    old, new = roster.held
    return Roster((Held(authority=old.authority, retired_at=NOW), new))


def test_clients_of_scep_get_the_authority_that_their_profile_names(
    roster: Roster, authority: Authority, second: Authority
) -> None:
    names = [roster.scep_name(each) for each in (authority, second)]
    assert names == ["corral", f"corral-{second.id}"]
    for now in (NOW, NOW + 10):
        assert [roster.asked(name, now).id for name in names] == [authority.id, second.id]
    assert roster.asked("", NOW).id == authority.id
    assert roster.asked("", NOW + 10).id == roster.asked("CA-IDENT", NOW + 10).id == second.id
    assert retired(roster).asked("corral", NOW + 10).id == second.id


def test_the_issuer_is_found_by_its_signature_under_the_same_name(
    roster: Roster, authority: Authority, second: Authority, keys: list[rsa.RSAPrivateKey]
) -> None:
    now = to_datetime(NOW)
    for each in (authority, second):
        der = issue_identity(
            each,
            keys[0].public_key(),
            common_name="x",
            connection="life",
            not_before=now,
            not_after=now + timedelta(days=1),
        )
        assert roster.issuer_of(der) is each
        assert retired(roster).issuer_of(der) is each
    with pytest.raises(LookupError):
        Roster.of(authority).issuer_of(der)


def test_whoever_listens_is_told_of_a_change_and_of_nothing_else(roster: Roster, authority: Authority) -> None:
    told: list[tuple[bytes, ...]] = []
    authorities = Authorities(Roster.of(authority), Clock())
    authorities.on_change(lambda: told.append(authorities.roots))
    for taken in (Roster.of(authority), roster, roster, retired(roster)):
        authorities.take(taken)
    assert [len(each) for each in told] == [2, 1]


async def test_the_file_has_every_authority_again(roster: Roster, authority: Authority, second: Authority) -> None:
    vault = FakeVault()
    assert await AuthorityFile(vault).read() is None
    vault.secrets |= {"authority.certificate": authority.certificate_pem(), "authority.key": authority.key_pem()}
    first = AuthorityFile(vault)
    alone = await first.read()
    assert alone == Roster.of(authority)
    assert await first.read() is alone
    written = await first.add(Roster.of(authority), roster.held[1], v.event("authority.rotated"))
    assert written == await first.read() == await AuthorityFile(vault).read()
    assert [each.id for each in written.held] == [authority.id, second.id]
    await AuthorityFile(vault).retire(written, written.held[0], NOW, v.event("authority.retired"))
    assert [each.type for each in vault.told] == ["authority.rotated", "authority.retired"]
    again = await first.read()
    assert again is not None
    assert again == retired(roster)
    assert again.held[0].authority.key_pem() == authority.key_pem(), "for the profiles that it has signed"
