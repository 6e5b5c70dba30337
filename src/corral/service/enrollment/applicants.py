"""Who asks to be enrolled: from what a device signed about itself to an applicant, for every way that begins so."""

import asyncio
from dataclasses import replace

from corral.apple.machine_info import MachineInfo, MachineInfoError, read_machine_info
from corral.lifecycle.applicant import Applicant
from corral.lifecycle.state import Device, EnrollmentKind
from corral.pki.device_signature import DeviceSignatureError, DeviceSigned, DeviceTrust
from corral.service.mdm.pairing_tokens import PairingTokens

AT_ONCE = 16
"""Signatures of strangers that are checked at the same time, at most."""


class AskingError(ValueError):
    """No device can have asked so; the one line says why."""


class Applicants:
    def __init__(self, trust: DeviceTrust, pairing: PairingTokens) -> None:
        self._trust = trust
        self._pairing = pairing
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def proven(self, message: bytes, kind: EnrollmentKind) -> Applicant:
        """A device whose UDID and serial number Apple vouches for. Raises AskingError."""
        signed = await self._open(message)
        if signed.doubt:
            raise AskingError(signed.doubt)
        info = _read(signed)
        if info.challenge is not None:
            # Whoever has a device post its attributes gets this of it, with a challenge of his own.
            raise AskingError("it was signed for an enrollment over the air")
        return self.applicant(info, kind)

    async def claimed(self, message: bytes, kind: EnrollmentKind) -> Applicant:
        """A device that something else lets in, the account of its person: what it is called counts only where it is
        proven all the same. Raises AskingError."""
        signed = await self._open(message)
        info = _read(signed)
        if signed.doubt or kind is EnrollmentKind.ACCOUNT_USER:
            info = replace(info, udid=None, serial_number=None)
        return self._applicant(info, kind)

    async def open(self, message: bytes) -> tuple[MachineInfo, DeviceSigned]:
        """What a device says of itself, and who signed it: nobody may be believed yet. Raises AskingError."""
        signed = await self._open(message)
        return _read(signed), signed

    def applicant(self, info: MachineInfo, kind: EnrollmentKind) -> Applicant:
        """Of a device whose word is believed. Raises AskingError where it does not say who it is."""
        if info.udid is None or info.serial_number is None:
            raise AskingError("UDID and SERIAL are missing in what the device signed")
        return self._applicant(info, kind)

    def _applicant(self, info: MachineInfo, kind: EnrollmentKind) -> Applicant:
        token, udid = info.pairing_token, info.udid
        paired = token is not None and udid is not None and self._pairing.is_good(token, udid)
        return replace(applicant_of(info, kind), has_pairing_token=paired)

    async def _open(self, message: bytes) -> DeviceSigned:
        async with self._turns:
            try:
                return await asyncio.to_thread(self._trust.open, message)
            except DeviceSignatureError as error:
                raise AskingError(str(error)) from None


def applicant_of(info: MachineInfo, kind: EnrollmentKind) -> Applicant:
    """By what the device says. Nobody is signed in yet, and no pairing token was looked at."""
    return Applicant(
        kind=kind,
        udid=info.udid,
        serial_number=info.serial_number,
        product=info.product,
        family=info.family,
        platform=info.platform,
        os_version=info.version,
        can_request_software_update=info.can_request_software_update or info.must_update,
        can_request_platform_sso=info.can_request_platform_sso,
        has_pairing_token=info.pairing_token is not None,
    )


def described(device: Device) -> MachineInfo:
    """As the device described itself last; what its Setup Assistant could do nobody knows, so all of it is assumed."""
    return MachineInfo(
        product=device.product_name or device.model_name or "",
        build_version=device.build_version or "",
        udid=None if device.user_enrollment else device.id,
        serial_number=device.serial_number,
        os_version=device.os_version,
        can_request_software_update=True,
    )


def _read(signed: DeviceSigned) -> MachineInfo:
    try:
        return read_machine_info(signed.content)
    except MachineInfoError as error:
        raise AskingError(str(error)) from None
