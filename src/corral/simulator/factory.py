"""What a device brings from its factory: a key with a certificate of Apple's, and what it signs with them about itself
before anybody manages it (Apple: "MachineInfo")."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from corral.apple.machine_info import MachineInfo, write_machine_info
from corral.apple.platform import Platform, is_older
from corral.pki import cms
from corral.simulator.facts import Facts
from corral.simulator.push_certificates import StandInDeviceAuthority

_VERSION_SINCE = {Platform.IOS: "17.0", Platform.TVOS: "17.0", Platform.MACOS: "14.0"}


@dataclass(frozen=True, slots=True)
class Factory:
    """The device's own certificate and those above it."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def make(cls, authority: StandInDeviceAuthority, udid: str, now: datetime) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(authority.device_certificate(udid, key.public_key(), now), (authority.certificate,), key)

    def sign(self, content: bytes) -> bytes:
        """As devices send it: an attached signature, in indefinite lengths."""
        return cms.sign(content, self.certificate, self.key, chain=self.chain, indefinite=True)


def machine_info(facts: Facts, *, in_setup_assistant: bool = True) -> MachineInfo:
    """What this device would say of itself; only since iOS 17 and macOS 14 its version, and that it could update."""
    since = _VERSION_SINCE.get(facts.platform)
    modern = since is not None and not is_older(facts.os_version, since)
    able = modern and in_setup_assistant and facts.platform is not Platform.TVOS
    return MachineInfo(
        product=facts.product_name,
        build_version=facts.build_version,
        udid=facts.udid,
        serial_number=facts.serial_number,
        os_version=facts.os_version if modern else None,
        imei=facts.imei,
        language="en",
        can_request_software_update=able,
        software_update_device_id=facts.product_name if modern else None,
    )


def signed_machine_info(factory: Factory, info: MachineInfo) -> bytes:
    return factory.sign(write_machine_info(info))
