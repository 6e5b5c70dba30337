"""What ends is warned of in time, once each."""

from dataclasses import replace
from pathlib import Path

import pytest

from corral.lifecycle.state import DAY, HOUR
from corral.pki.authority import Authority
from corral.service.authorities.authorities import Authorities, Roster
from corral.service.installation.expiries import Expiries, Expiry
from corral.store.access import Credential
from corral.store.ade import AdeServer
from service.fakes import NOW, Clock, FakeEvents, FakeVault, FakeWork, push_certificate


class Watch:
    def __init__(self, authority: Authority, *, tls: Path | None = None) -> None:
        self.clock, self.events, self.work = Clock(), FakeEvents(), FakeWork()
        self.tokens: list[Credential] = []
        self.vault = FakeVault(push_certificate(not_after=NOW + 100 * DAY))
        self.expiries = self.of(authority, tls)

    def of(self, authority: Authority, tls: Path | None = None) -> Expiries:
        return Expiries(
            self.vault,
            self.credentials,
            self.servers,
            self.work,
            self.events,
            Authorities(Roster.of(authority), self.clock),
            self.clock,
            tls_certificate=tls,
        )

    async def credentials(self) -> tuple[Credential, ...]:
        return tuple(self.tokens)

    async def servers(self) -> tuple[AdeServer, ...]:
        plain = AdeServer(name="school", created_at=NOW, certificate_pem=b"", key_pem=b"")
        return plain, replace(plain, name="business", token_expires_at=NOW + 1000 * DAY)

    async def days(self, days: int) -> None:
        for _ in range(days * 4):
            await self.expiries.round()
            self.clock.now += 6 * HOUR

    @property
    def told(self) -> list[tuple[str, object]]:
        return [(each.type, each.data["days_left"]) for each in self.events.told]


async def test_each_is_told_60_30_7_and_1_days_before_and_at_its_end(authority: Authority) -> None:
    watch = Watch(authority)
    await watch.days(110)
    assert watch.told == [
        ("expiry.near", 60),
        ("expiry.near", 30),
        ("expiry.near", 7),
        ("expiry.near", 1),
        ("expiry.over", 0),
    ]
    assert {each.data["kind"] for each in watch.events.told} == {"push certificate"}
    assert "owner@example.org" in str(watch.events.told[0].data["remedy"])


async def test_another_process_or_a_restart_tells_nothing_twice(authority: Authority) -> None:
    watch = Watch(authority)
    await watch.days(45)
    watch.expiries = watch.of(authority)
    await watch.days(5)
    assert watch.told == [("expiry.near", 60)]


async def test_what_was_renewed_is_told_anew_when_that_ends(authority: Authority) -> None:
    watch = Watch(authority)
    await watch.days(95)
    watch.vault.certificates[push_certificate().topic] = push_certificate(not_after=watch.clock.now + 365 * DAY)
    count = len(watch.told)
    await watch.days(300)
    assert len(watch.told) == count
    await watch.days(6)
    assert watch.told[-1] == ("expiry.near", 60)


async def test_all_that_ends_is_read_with_the_next_first(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "tls.pem").write_bytes(authority.certificate_pem())
    watch = Watch(authority, tls=tmp_path / "tls.pem")
    for name, expires_at in (("ci", NOW + DAY), ("gone", NOW + DAY), ("ever", None), ("over long ago", NOW - 31 * DAY)):
        token = Credential(id=name, name=name, digest=name.encode(), created_at=NOW - 90 * DAY, expires_at=expires_at)
        watch.tokens.append(replace(token, revoked_at=NOW if name == "gone" else None))
    watch.tokens.append(replace(watch.tokens[0], id="1", name="of a run", created_at=NOW))
    found = await watch.expiries.read()
    assert [(each.kind, each.name) for each in found] == [
        ("token", "ci"),
        ("push certificate", push_certificate().topic),
        ("server token", "business"),
        ("TLS certificate", str(tmp_path / "tls.pem")),
        ("authority", "CN=Test authority"),
    ]
    assert all(each.remedy for each in found)


@pytest.mark.parametrize("content", [None, b"nothing"])
async def test_a_file_that_cannot_be_read_now_tells_nothing(
    authority: Authority, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "tls.pem").write_bytes(content)
    found = await Watch(authority, tls=tmp_path / "tls.pem").expiries.read()
    assert "TLS certificate" not in {each.kind for each in found}


@pytest.mark.parametrize(
    ("left", "warning"),
    [(61 * DAY, None), (60 * DAY, 60), (30 * DAY + 1, 60), (30 * DAY, 30), (DAY + 1, 7), (1, 1), (0, 0), (-DAY, 0)],
)
def test_the_nearest_step_counts(left: int, warning: int | None) -> None:
    assert Expiry(kind="k", name="n", not_after=NOW + left, remedy="r").warning(NOW) == warning
