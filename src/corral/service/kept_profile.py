"""What is kept of an enrollment profile, so that a renewal can repeat it exactly: JSON in the rows of grants and lives.

A device refuses an update that names another address, is signed by another, or is not signed where the first was.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from corral.apple.profile import AcmeIdentity, EnrollmentFacts, IdentitySource, ScepIdentity


@dataclass(frozen=True, slots=True)
class KeptProfile:
    facts: EnrollmentFacts
    source: IdentitySource
    signed: bool
    signer: str = ""
    """The id of the authority that signed it; empty for the first one, from before there were others."""

    def encode(self) -> bytes:
        name = "acme" if isinstance(self.source, AcmeIdentity) else "scep"
        signer = {"signer": self.signer} if self.signer else {}
        return msgspec.json.encode({"facts": self.facts, name: self.source, "signed": self.signed} | signer)


@lru_cache(256)
def read_kept(stored: bytes) -> KeptProfile | None:
    """What was kept; None for a life that was enrolled elsewhere, of which nothing was."""
    if not stored:
        return None
    values = msgspec.json.decode(stored, type=dict[str, Any])
    facts = msgspec.convert(values["facts"], EnrollmentFacts)
    return KeptProfile(facts, _source(values), values["signed"], values.get("signer", ""))


def _source(values: dict[str, Any]) -> IdentitySource:
    if "acme" in values:
        return msgspec.convert(values["acme"], AcmeIdentity)
    if "scep" in values:
        return msgspec.convert(values["scep"], ScepIdentity)
    # As it was written before there was more than one source: among the facts.
    facts = values["facts"]
    names = {"url": "scep_url", "name": "scep_name", "key_size": "key_size", "ca_fingerprint": "ca_fingerprint"}
    return msgspec.convert({name: facts[old] for name, old in names.items()}, ScepIdentity)
