"""Whether an authority that we trust vouches for a certificate (RFC 5280 6), apart from whose it is and what
it may do.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, SignatureAlgorithmOID

from corral.pki.authority import authority_id, connection_of
from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import UNREADABLE, load_certificate, load_public_key, read_parts

OWN: Final = "own"
SKEW: Final = timedelta(minutes=5)

_MAX_INTERMEDIATES = 8
_MAX_CHECKS = 32
_CACHED = 8192
_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CERTIFICATE_POLICIES,
}
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Trusted:
    """A certificate that an authority vouches for.

    `authority` is `OWN` or the name the operator gave, `anchor` the id of the certificate that it is trusted by;
    `connection` is what a certificate of our own names.
    The dates are those between which it and every certificate between it and the authority are valid; that
    they are past is told as `expired`, and what then is the life cycle's to say.
    """

    authority: str
    anchor: str
    not_before: datetime
    not_after: datetime
    connection: str | None
    expired: bool


@dataclass(frozen=True, slots=True)
class Untrusted:
    reason: str


class Trust:
    """The authorities whose certificates are believed.

    `own` are the service's, `foreign` those an operator named; both are trust anchors as they stand, whether
    self-signed or not, and their own dates are not checked (RFC 5280 6.1). `intermediates` may lie on the way
    to any of them. `factory` is for the certificates that devices are made with: they may be signed with SHA-1, and
    their extended key usage does not matter.
    """

    def __init__(
        self,
        own: Sequence[x509.Certificate],
        foreign: Mapping[str, Sequence[x509.Certificate]] | None = None,
        intermediates: Sequence[x509.Certificate] = (),
        *,
        factory: bool = False,
    ) -> None:
        foreign = foreign or {}
        if OWN in foreign:
            raise ValueError(f"no foreign authority may be called {OWN!r}: give it another name")
        named = {OWN: own, **foreign}
        self._anchors = [(name, anchor) for name, anchors in named.items() for anchor in anchors]
        self._intermediates = tuple(intermediates)
        self._factory = factory
        self._verdicts: OrderedDict[bytes, Trusted] = OrderedDict()

    def judge(self, certificate: bytes, intermediates: Sequence[bytes], now: datetime) -> Trusted | Untrusted:
        """Whether a certificate (DER) is trusted now; `intermediates` are further ones that came along (DER).

        The chain is checked once a certificate and remembered for those seen lately, if it holds; dates are
        checked each time.
        """
        trusted = self._verdicts.get(certificate)
        if trusted is None:
            found = self._build(certificate, intermediates)
            if isinstance(found, Untrusted):
                return found
            trusted = self._verdicts[certificate] = found
            if len(self._verdicts) > _CACHED:
                self._verdicts.popitem(last=False)
        else:
            self._verdicts.move_to_end(certificate)
        if now > trusted.not_after:
            # Not remembered: next time a renewed intermediate may come along and lead to a longer date.
            del self._verdicts[certificate]
            return replace(trusted, expired=True)
        if now < trusted.not_before - SKEW:
            return Untrusted(f"the certificate is not valid until {trusted.not_before:%Y-%m-%d %H:%M:%S} UTC")
        return trusted

    def _build(self, certificate: bytes, intermediates: Sequence[bytes]) -> Trusted | Untrusted:
        try:
            leaf = _load(certificate)
            _check_leaf(leaf, factory=self._factory)
            between = list(self._intermediates)
            for one in intermediates[:_MAX_INTERMEDIATES]:
                if one != certificate:
                    try:
                        between.append(_load(one))
                    except _ChainError:
                        continue  # what came along uncalled for cannot make the certificate worse
            # Of two certificates of one issuer, a renewed one, the one that lasts longer is tried first.
            between.sort(key=lambda one: one.not_valid_after_utc, reverse=True)
            search = _Search(self._anchors, between, factory=self._factory)
            path = search.path(leaf, ())
        except _ChainError as refused:
            return Untrusted(str(refused))
        if path is None:
            return Untrusted(search.reason)
        name, anchor, chain = path
        return Trusted(
            authority=name,
            anchor=authority_id(anchor),
            not_before=max(one.not_valid_before_utc for one in chain),
            not_after=min(one.not_valid_after_utc for one in chain),
            connection=connection_of(certificate) if name == OWN else None,
            expired=False,
        )


class _ChainError(Exception):
    """Why a certificate cannot be part of a chain."""


class _Search:
    """The search for a way from a certificate to an anchor, bounded in signature checks."""

    def __init__(
        self,
        anchors: Sequence[tuple[str, x509.Certificate]],
        between: Sequence[x509.Certificate],
        *,
        factory: bool,
    ) -> None:
        self._factory = factory
        self._anchors = anchors
        self._between = between
        self._left = _MAX_CHECKS
        self.reason = "no trusted authority issued the certificate"

    def path(
        self, subject: x509.Certificate, below: tuple[x509.Certificate, ...]
    ) -> tuple[str, x509.Certificate, tuple[x509.Certificate, ...]] | None:
        """The authority's name, its certificate and those up to it; None when there is no way."""
        chain = (*below, subject)
        for name, anchor in self._anchors:
            if self._issued(subject, anchor, len(below), anchor=True):
                return name, anchor, chain
        if len(chain) > _MAX_INTERMEDIATES:
            return None
        for issuer in self._between:
            if issuer not in chain and self._issued(subject, issuer, len(below), anchor=False):
                found = self.path(issuer, chain)
                if found is not None:
                    return found
        return None

    def _issued(self, subject: x509.Certificate, issuer: x509.Certificate, depth: int, *, anchor: bool) -> bool:
        if subject.issuer != issuer.subject or self._left <= 0:
            return False
        self._left -= 1
        try:
            _check_issuer(issuer, depth, anchor=anchor, factory=self._factory)
            # A key of absurd size, which anybody can put into an intermediate, would make the check costly.
            load_public_key(read_parts(issuer.public_bytes(Encoding.DER)).key)
            if self._factory and isinstance(subject.signature_hash_algorithm, hashes.SHA1):
                _verify_sha1(subject, issuer)
            else:
                subject.verify_directly_issued_by(issuer)
        except _ChainError as refused:
            self.reason = str(refused)
        except InvalidSignature:
            self.reason = "the certificate bears the name of an authority that did not sign it"
        except UNREADABLE:
            self.reason = "the certificate's signature cannot be checked"
        else:
            return True
        return False


def _verify_sha1(subject: x509.Certificate, issuer: x509.Certificate) -> None:
    """The library no longer does this; raises what its own check does."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or subject.signature_algorithm_oid != SignatureAlgorithmOID.RSA_WITH_SHA1:
        raise ValueError("SHA-1 with another key than RSA")
    key.verify(subject.signature, subject.tbs_certificate_bytes, PKCS1v15(), hashes.SHA1())  # noqa: S303 - what they have


def _load(der: bytes) -> x509.Certificate:
    try:
        certificate = load_certificate(der)
    except CmsError as error:
        raise _ChainError(str(error)) from None
    if isinstance(certificate.signature_hash_algorithm, hashes.MD5):
        raise _ChainError("the certificate is signed with MD5, which anybody can forge")
    return certificate


def _check_leaf(certificate: x509.Certificate, *, factory: bool) -> None:
    _check_extensions(certificate, factory=factory)
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _ChainError("the certificate is an authority's, not a device's")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise _ChainError("the certificate's key usage does not allow signatures")


def _check_issuer(certificate: x509.Certificate, depth: int, *, anchor: bool, factory: bool) -> None:
    """Whether a certificate may stand above `depth` others and the leaf; raises `_ChainError`."""
    constraints = _extension(certificate, x509.BasicConstraints)
    # An anchor may be of X.509 version 1, which knows no extension; what it does say holds.
    if (constraints is None and not anchor) or (constraints is not None and not constraints.ca):
        raise _ChainError("the issuer's certificate is no authority's")
    if constraints is not None and constraints.path_length is not None and depth > constraints.path_length:
        raise _ChainError("the chain is longer than an authority in it allows")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise _ChainError("the issuer's key usage does not allow it to sign certificates")
    if not anchor:
        _check_extensions(certificate, factory=factory)


def _check_extensions(certificate: x509.Certificate, *, factory: bool) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise _ChainError(f"critical extension {extension.oid.dotted_string} is not understood")
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if (
        not factory
        and purposes is not None
        and not {
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        }
        & set(purposes)
    ):
        raise _ChainError("the certificate is not meant for client authentication (extended key usage)")


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
