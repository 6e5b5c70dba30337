"""FileVault: the profile by which Macs give their recovery key into keeping, and a new key for a Mac."""

from corral.apple.filevault import EscrowProfile, escrow_profile
from corral.lifecycle.state import EscrowKind
from corral.pki.escrow_key import EscrowKey
from corral.service.access.caller import Caller
from corral.service.commands.commanding import Commanding, Sent
from corral.service.errors import NotFound, RequestRefused
from corral.store.directory import Directory
from corral.store.escrow import EscrowStore


class FileVault:
    def __init__(
        self,
        key: EscrowKey,
        commanding: Commanding,
        escrow: EscrowStore,
        directory: Directory,
        public_url: str,
        organization: str,
    ) -> None:
        host = public_url.removeprefix("https://").partition("/")[0].partition(":")[0].lower()
        self._facts = EscrowProfile(
            identifier=".".join([*reversed(host.split(".")), "corral", "filevault"]),
            organization=organization,
            certificate=key.certificate,
            location=f"{organization} keeps the recovery key of this Mac.",
        )
        self._commanding = commanding
        self._escrow = escrow
        self._directory = directory

    def profile(self, *, enable: bool) -> bytes:
        """The escrow profile, and with `enable` one that turns FileVault on too; it is the same for all Macs."""
        return escrow_profile(self._facts, enable=enable)

    async def rotate(self, device: str, by: Caller) -> Sent:
        """Have a Mac make a new recovery key, which it gives into keeping with its answer.

        It must be told the present one, so that must be in keeping. Raises NotFound and RequestRefused.
        """
        device_id = await self._directory.resolve(device)
        if device_id is None:
            raise NotFound(f"There is no device {device}, or more than one; name it by its id.")
        key = await self._recovery_key(device_id)
        if key is None:
            raise RequestRefused(f"The recovery key of {device_id} is not in keeping, so it cannot be replaced by one.")
        keys = {
            "KeyType": "personal",
            "FileVaultUnlock": {"Password": key.decode("utf-8", "replace")},
            "ReplyEncryptionCertificate": self._facts.certificate,
        }
        (sent,) = await self._commanding.send([device_id], by, request_type="RotateFileVaultKey", keys=keys)
        if not sent.queued:
            raise RequestRefused(f"RotateFileVaultKey cannot be sent to {device_id}: {sent.problem}")
        return sent

    async def _recovery_key(self, device_id: str) -> bytes | None:
        """The newest that it gave, in whatever life: an enrollment does not change it."""
        for version in await self._escrow.versions(device_id):
            if version.kind is EscrowKind.FILEVAULT_RECOVERY_KEY and not version.withdrawn:
                return await self._escrow.value(device_id, version.number)
        return None
