"""CertificateList: what can be read of the certificates themselves, too."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import NameOID

from corral.apple.inventory.facts import Facts, Item
from corral.apple.inventory.leaves import Remarks, dictionaries
from corral.apple.inventory.lists import facts_of, item
from corral.apple.inventory.value import Value, clean
from corral.apple.plist import PlistValue

Keys = Mapping[str, PlistValue]


def certificates(asked: Keys, answer: Keys) -> Facts:
    """`ManagedOnly` leaves others out."""
    remarks = Remarks()
    several = dictionaries(answer, "CertificateList", remarks)
    if several is None:
        return Facts(remarks=remarks.all())
    found = facts_of("certificate", (_certificate(each, remarks) for each in several), remarks)
    return replace(found, partly=True) if asked.get("ManagedOnly") is True else found


def _certificate(keys: Keys, remarks: Remarks) -> Item | None:
    data = keys.get("Data")
    if not isinstance(data, bytes) or not data:
        remarks.add("CertificateList: an entry without Data")
        return None
    return item("certificate", keys, remarks, fingerprint=hashlib.sha256(data).hexdigest(), **_read(data, remarks))


def _read(data: bytes, remarks: Remarks) -> dict[str, Value]:
    """Nothing, of what is no certificate."""
    try:
        certificate = x509.load_der_x509_certificate(data)
        issuer = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        return {
            "issuer": clean(str(issuer[0].value)) if issuer else "",
            "serial": f"{certificate.serial_number:x}"[:64],
            "not_before": round(certificate.not_valid_before_utc.timestamp() * 1000),
            "not_after": round(certificate.not_valid_after_utc.timestamp() * 1000),
        }
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion, x509.UnsupportedGeneralNameType):
        remarks.add("CertificateList: Data that is no certificate")
        return {}
