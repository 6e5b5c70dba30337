"""The TLS of the listeners stays good while the server runs."""

import asyncio
import datetime
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.lifecycle.state import DAY
from corral.pki.authority import Authority, create_authority, issue_server
from corral.service.authorities.authorities import Authorities, Held, Roster
from corral.service.clock import system_clock, to_datetime, to_instant
from corral.settings import Settings, read_settings
from corral.tls import OWN_DAYS, RENEWED_BEFORE, ServerTls


@pytest.fixture(scope="module")
def authority() -> Authority:
    return create_authority("Test", datetime.datetime.now(datetime.UTC))


def believing(authority: Authority) -> Authorities:
    return Authorities(Roster.of(authority), system_clock)


class Clock:
    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> int:
        return self.now


def settings_in(data: Path, **more: object) -> Settings:
    return read_settings({"data": data, "public_url": "https://localhost", **more})


def write_pair(data: Path, authority: Authority, days: int) -> None:
    """A certificate and its key, as an operator's own tool puts them there."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = to_datetime(system_clock())
    until = now + datetime.timedelta(days=days)
    der = issue_server(authority, key.public_key(), ["localhost"], now, until)
    (data / "tls.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    (data / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def served(tls: ServerTls) -> x509.Certificate:
    """What a client that connects now is shown."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=tls.context) as server:
        port = server.sockets[0].getsockname()[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
    return x509.load_der_x509_certificate(der)


async def test_a_certificate_of_our_own_is_renewed_while_it_serves(tmp_path: Path, authority: Authority) -> None:
    clock = Clock()
    tls = ServerTls(settings_in(tmp_path), Authorities(Roster.of(authority), clock), clock)
    first = await served(tls)
    clock.now += OWN_DAYS * DAY - RENEWED_BEFORE - DAY
    tls.look()
    assert await served(tls) == first
    clock.now += DAY
    tls.look()
    second = await served(tls)
    assert second != first
    second.verify_directly_issued_by(authority.certificate)
    assert to_instant(second.not_valid_after_utc) // 1000 == tls.not_after // 1000
    assert tls.not_after > clock.now + 300 * DAY
    assert not os.listdir(tmp_path), "the key lies in no file"


def files(data: Path, authority: Authority) -> Settings:
    write_pair(data, authority, 30)
    return settings_in(data, tls="files", tls_certificate=data / "tls.pem", tls_key=data / "tls.key")


async def test_files_are_read_again_when_they_change(tmp_path: Path, authority: Authority) -> None:
    tls = ServerTls(files(tmp_path, authority), believing(authority), system_clock)
    first = await served(tls)
    tls.look()
    assert await served(tls) == first
    write_pair(tmp_path, authority, 90)
    tls.look()
    assert await served(tls) != first
    assert tls.not_after > system_clock() + 80 * DAY


def remove(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_text("no key")


@pytest.mark.parametrize("harm", [remove, spoil])
async def test_files_that_do_not_fit_leave_what_serves(
    tmp_path: Path, authority: Authority, harm: Callable[[Path], None]
) -> None:
    tls = ServerTls(files(tmp_path, authority), believing(authority), system_clock)
    first = await served(tls)
    harm(tmp_path / "tls.key")
    tls.look()
    assert await served(tls) == first
    write_pair(tmp_path, authority, 30)
    tls.look()
    assert await served(tls) != first


async def test_a_certificate_of_our_own_is_of_the_oldest_authority_that_is_believed(
    tmp_path: Path, authority: Authority
) -> None:
    """All devices know that one, so nothing changes before it is retired; then it changes at once."""
    second = create_authority("Second", datetime.datetime.now(datetime.UTC))
    authorities = believing(authority)
    tls = ServerTls(settings_in(tmp_path), authorities, system_clock)
    first = await served(tls)
    new = Held(authority=second, created_at=1)
    authorities.take(Roster((Held(authority=authority), new)))
    assert await served(tls) == first
    authorities.take(Roster((Held(authority=authority, retired_at=1), new)))
    (await served(tls)).verify_directly_issued_by(second.certificate)


async def test_clients_of_a_new_authority_are_let_in_at_once(tmp_path: Path, authority: Authority) -> None:
    second = create_authority("Second", datetime.datetime.now(datetime.UTC))
    authorities = believing(authority)
    tls = ServerTls(settings_in(tmp_path, identity="tls"), authorities, system_clock)
    authorities.take(Roster((Held(authority=authority), Held(authority=second, created_at=1))))
    asked = {x509.load_der_x509_certificate(each) for each in tls.context.get_ca_certs(binary_form=True)}
    assert asked == {authority.certificate, second.certificate}
