"""Private keys that this service has made itself and keeps sealed."""

from cryptography.hazmat.primitives.serialization import load_pem_private_key


def read_own_key(pem: bytes) -> object:
    """The key of a PKCS#8 PEM without encryption; raises ValueError or TypeError.

    Its primes are not tested again, which takes a tenth of a second for RSA of 3072 bits: the seal says that it is as
    it was made. Never for a key that somebody else hands in.
    """
    return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
