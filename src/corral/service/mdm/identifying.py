"""From a presented certificate to an Identity that decisions may rest on."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from corral.lifecycle.evidence import Identity
from corral.pki.identity import OWN, Trust, Trusted
from corral.service.clock import Clock, to_datetime, to_instant

_CACHED = 16_384


class Identifying:
    """Judges certificates by the authorities that are trusted. Who a certificate belongs to, and whether it may
    speak, is never remembered here: only what its bytes say.
    """

    def __init__(self, trust: Trust, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._known: OrderedDict[bytes, Identity] = OrderedDict()

    def believe(self, trust: Trust) -> None:
        """From now on these authorities, and no others."""
        self._trust = trust
        self._known.clear()

    def identify(self, certificate: bytes, intermediates: Sequence[bytes] = ()) -> Identity | str:
        """The identity of a certificate (DER) whose holder has proven its key; else why it is not trusted."""
        now = self._clock()
        known = self._known.get(certificate)
        if known is not None and now < known.not_after:
            return known
        verdict = self._trust.judge(certificate, intermediates, to_datetime(now))
        if not isinstance(verdict, Trusted):
            return verdict.reason
        identity = Identity(
            fingerprint=hashlib.sha256(certificate).digest(),
            authority="" if verdict.authority == OWN else verdict.authority,
            issuer=verdict.anchor if verdict.authority == OWN else "",
            connection_id=verdict.connection,
            not_after=to_instant(verdict.not_after),
            der=certificate,
        )
        # Past its date it is judged again: a renewed intermediate may have come along. Whether it may still speak
        # then is decided at each message, from `not_after`.
        self._known[certificate] = identity
        if len(self._known) > _CACHED:
            self._known.popitem(last=False)
        return identity
