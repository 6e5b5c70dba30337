"""The TLS of the listeners: a certificate that is kept fresh while the server runs, without a restart.

A context that serves takes a new certificate in place: connections that come after it get the new one.
"""

import asyncio
import secrets
import ssl
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.lifecycle.state import DAY, Instant
from corral.logs import lines
from corral.pki.authority import issue_server
from corral.service.authorities.authorities import Authorities
from corral.service.clock import Clock, to_datetime, to_instant
from corral.settings import Settings

OWN_DAYS = 397
"""Validity of a certificate of our own, which is one of the public authorities' too."""
RENEWED_BEFORE = 60 * DAY
LOOKED_AT_EVERY = 60.0
"""Seconds between two looks at the certificate's date, or at the files."""


class ServerTls:
    """The context of every TLS listener of a process. Raises OSError for files that cannot be used."""

    def __init__(self, settings: Settings, authorities: Authorities, clock: Clock) -> None:
        self._settings = settings
        self._authorities = authorities
        self._issuer = ""
        self._clock = clock
        self._seen: tuple[tuple[int, int], ...] = ()
        self.not_after: Instant = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self._load()
        if settings.identity == "tls":
            self.context.verify_mode = ssl.CERT_OPTIONAL
            # Who has expired is for the life cycle to decide, which knows how to repair it.
            self.context.verify_flags |= ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME
            self._trust_own()
            for path in settings.authorities.values():
                self.trust(path.read_bytes())
        authorities.on_change(self._follow)

    def _follow(self) -> None:
        """The authorities have changed: who is asked for, and who vouches for us, without waiting for the next look."""
        if self._settings.identity == "tls":
            self._trust_own()
        try:
            self.look()
        except OSError as error:
            lines.tls_not_renewed(why=str(error))

    def _trust_own(self) -> None:
        """One that was retired stays in the context; its certificates are refused with what they sign."""
        for each in self._authorities.roster.trusted:
            self.trust(each.authority.certificate_pem())

    def trust(self, roots: bytes) -> None:
        """Ask clients for certificates of these authorities (PEM) too, where they are asked for one at all."""
        if self._settings.identity == "tls":
            self.context.load_verify_locations(cadata=roots.decode())

    def reload(self) -> None:
        """Read the files again; what serves goes on serving where they do not fit together."""
        if self._settings.tls != "files":
            return
        try:
            self._load()
            lines.tls_reloaded()
        except (OSError, ValueError) as error:
            lines.tls_not_reloaded(why=str(error))

    def look(self) -> None:
        """Take what is due: a new certificate of our own before it expires, or files that have changed."""
        if self._settings.tls == "files":
            if self._stamps() != self._seen:
                self.reload()
        elif self._clock() >= self.not_after - RENEWED_BEFORE or self._issuer != self._authorities.roster.anchor.id:
            self._load()
            lines.tls_renewed(until=to_datetime(self.not_after).isoformat())

    async def keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(LOOKED_AT_EVERY)
            try:
                self.look()
            except OSError as error:
                lines.tls_not_renewed(why=str(error))

    def _load(self) -> None:
        if self._settings.tls == "files":
            self._load_files()
        else:
            self._load_own()

    def _load_files(self) -> None:
        """Raises OSError, also for an encrypted key: nobody is there to be asked for its password."""
        certificate, key = _files(self._settings)
        # Remembered first, so that a pair that does not fit is told once and not at every look.
        self._seen = self._stamps()
        # A trial first: a pair that does not fit would leave the context that serves with half of it.
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            context.load_cert_chain(certificate, key, password="")
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        self.not_after = to_instant(leaf.not_valid_after_utc)

    def _load_own(self) -> None:
        """A fresh server certificate, for the host of the public URL, of the authority that all devices trust."""
        authority = self._authorities.roster.anchor
        key = ec.generate_private_key(ec.SECP256R1())
        now = to_datetime(self._clock())
        host = urlsplit(self._settings.public_url).hostname or "localhost"
        names = list(dict.fromkeys([host, "localhost", "127.0.0.1", "::1"]))
        until = now + timedelta(days=OWN_DAYS)
        der = issue_server(authority, key.public_key(), names, now - timedelta(days=1), until)
        chain = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) + authority.certificate_pem()
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        # OpenSSL reads keys from files only: this one is readable by its owner alone, and gone at once.
        path = self._settings.data / f".tls-{secrets.token_hex(8)}.pem"
        try:
            path.touch(0o600)
            path.write_bytes(chain + secret)
            self.context.load_cert_chain(str(path))
        finally:
            path.unlink(missing_ok=True)
        self.not_after, self._issuer = to_instant(until), authority.id

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        """What tells that a file is another now; a file that is away for a moment (being replaced) tells nothing."""
        try:
            states = [path.stat() for path in _files(self._settings)]
        except OSError:
            return self._seen
        return tuple((each.st_mtime_ns, each.st_ino) for each in states)


def _files(settings: Settings) -> tuple[Path, Path]:
    certificate, key = settings.tls_certificate, settings.tls_key
    assert certificate is not None  # settings refuse `files` without both
    assert key is not None
    return certificate, key
