"""The push certificate: its request, its import with every check, and what hangs on its topic."""

import asyncio

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corral.apns.client import PushClient
from corral.lifecycle.change import Event
from corral.pki import push_certificate
from corral.pki.own_key import read_own_key
from corral.pki.push_certificate import PushCertificateError
from corral.service.clock import Clock, to_datetime, to_instant
from corral.service.errors import RequestRefused
from corral.store.directory import Directory
from corral.store.vault import StoredPushCertificate, Vault
from corral.store.work import WorkStore

PENDING_KEY = "push.pending-key"


class PushCertificates:
    def __init__(
        self,
        vault: Vault,
        directory: Directory,
        work: WorkStore,
        client: PushClient,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._directory = directory
        self._work = work
        self._client = client
        self._clock = clock

    async def request(self, common_name: str, country: str, by: str) -> bytes:
        """A new key, kept sealed here, and its CSR as PEM. The key of an earlier request is kept until an import."""
        pending = await self._vault.get_secret(PENDING_KEY)
        if pending is None:
            key = await asyncio.to_thread(rsa.generate_private_key, 65537, 2048)
            pending = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            event = Event(type="push-certificate.requested", at=self._clock(), data={"by": by})
            await self._vault.put_secret(PENDING_KEY, pending, (event,))
        try:
            return push_certificate.build_csr(_load(pending), common_name, country)
        except PushCertificateError as error:
            raise RequestRefused(str(error)) from None

    async def import_(
        self, certificate_pem: bytes, key_pem: bytes | None, apple_account: str, force: bool, by: str
    ) -> StoredPushCertificate:
        """Take a certificate into use; raises RequestRefused with what is wrong and what to do.

        Without a key the one of `request` is meant. Refused when it would leave channels of another topic without
        their certificate, unless `force`: a new topic means that those devices must enroll again.
        """
        pending = await self._vault.get_secret(PENDING_KEY)
        key = key_pem or pending
        if key is None:
            raise RequestRefused("No key: give the key file, or make the request with `corral push-cert request`.")
        try:
            read = push_certificate.read(certificate_pem, key)
        except PushCertificateError as error:
            raise RequestRefused(str(error)) from None
        if to_datetime(self._clock()) >= read.not_after:
            raise RequestRefused(f"This push certificate expired on {read.not_after:%Y-%m-%d}; renew it.")
        await self._check_topic(read.topic, force)
        stored = StoredPushCertificate(
            topic=read.topic,
            certificate_pem=read.certificate_pem,
            key_pem=read.key_pem,
            apple_account=apple_account,
            not_after=to_instant(read.not_after),
            imported_at=self._clock(),
        )
        self._client.load(stored.topic, stored.certificate_pem, stored.key_pem)
        data = {"by": by, "topic": stored.topic}
        event = Event(type="push-certificate.imported", at=self._clock(), data=data)
        await self._vault.put_push_certificate(stored, (event,))
        if key_pem is None:
            await self._vault.delete_secret(PENDING_KEY)
        await self._work.topic_arrived(stored.topic)
        return stored

    async def list(self) -> tuple[StoredPushCertificate, ...]:
        return await self._vault.push_certificates()

    async def _check_topic(self, topic: str, force: bool) -> None:
        held = {each.topic for each in await self._vault.push_certificates()}
        if not held or topic in held or force:
            return
        counts = await self._directory.counts()
        orphans = sum(n for name, n in counts.items() if name.startswith("topics:") and name != f"topics:{topic}")
        if orphans:
            raise RequestRefused(
                f"This certificate has another topic, {topic}: {orphans} channels depend on the present one and "
                "would have to enroll again. Renew the present one with the same Apple Account, or import this one "
                "beside it with --force."
            )


def _load(pem: bytes) -> rsa.RSAPrivateKey:
    key = read_own_key(pem)
    assert isinstance(key, rsa.RSAPrivateKey)  # made by `request`, and sealed since
    return key
