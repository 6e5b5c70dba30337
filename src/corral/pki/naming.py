"""What a certificate calls its holder."""

from collections.abc import Set

from cryptography import x509

from corral.pki.cms.algorithms import CmsError
from corral.pki.cms.certificate import UNREADABLE, load_certificate


def names_any(certificate: bytes, names: Set[str]) -> bool:
    """Whether a certificate (DER) has one of these words in its subject or its subject alternative name.

    Words are compared whole and in any case: an authority writes a UDID into a common name, `Mac C02XY` or a URI
    `urn:uuid:...` among others. False for what cannot be read.
    """
    try:
        read = load_certificate(certificate)
        texts = [str(each.value) for each in read.subject]
        try:
            alternative = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            texts += [each.value for each in alternative if isinstance(each, _TEXTS)]
        except x509.ExtensionNotFound:
            pass
    except (CmsError, *UNREADABLE):
        return False
    wanted = {name.casefold() for name in names}
    return any(word in wanted for text in texts for word in _words(text.casefold()))


_TEXTS = (x509.RFC822Name, x509.DNSName, x509.UniformResourceIdentifier)


def _words(text: str) -> set[str]:
    """The text, and its parts between spaces, colons, slashes, commas, @ and the dots of a host name."""
    parts = {text}
    for separator in " :/,@.=":
        parts |= {piece for part in parts for piece in part.split(separator)}
    return parts
