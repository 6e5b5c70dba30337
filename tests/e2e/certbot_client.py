"""A certificate by an ACME client that nobody here wrote: the library of Certbot, as Debian's python3-acme has it.

Run by the system's own Python, `certbot_client.py DIRECTORY ROOT IDENTIFIER KEY`, with the algorithm of the account's
key as a fifth argument. It says the token of its challenge on a line, reads the attestation object (base64url) of the
key in the file KEY from a line, and says the certificates. An error of the server is said on the standard error.
"""

import datetime
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

# They have no types, and are nowhere but in the system's Python.
challenges: Any = importlib.import_module("acme.challenges")
client: Any = importlib.import_module("acme.client")
messages: Any = importlib.import_module("acme.messages")
errors: Any = importlib.import_module("acme.errors")
jose: Any = importlib.import_module("josepy")

NAME = "permanent-identifier"


@challenges.Challenge.register
class DeviceAttest(challenges.Challenge):
    """The challenge of draft-acme-device-attest-01, which the library does not bring."""

    typ = "device-attest-01"
    token: str = jose.field("token")


@challenges.ChallengeResponse.register
class Attested(challenges.ChallengeResponse):
    typ = "device-attest-01"
    att_obj: str = jose.field("attObj")


def main() -> None:
    directory, root, identifier, key_file, algorithm = sys.argv[1:6]
    account = (
        jose.JWKRSA(key=rsa.generate_private_key(65537, 2048))
        if algorithm == "RS256"
        else jose.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    )
    net = client.ClientNetwork(account, alg=getattr(jose, algorithm), verify_ssl=root)
    acme = client.ClientV2(client.ClientV2.get_directory(directory, net), net)
    acme.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))
    try:
        print(obtain(acme, identifier, Path(key_file)))
    except (errors.Error, messages.Error) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(3)


def obtain(acme: Any, identifier: str, key_file: Path) -> str:
    """The chain of certificates, PEM; an order is made by hand, since the library makes them of host names only."""
    asked = messages.Identifier(typ=messages.IdentifierType(NAME), value=identifier)
    made = acme._post(acme.directory["newOrder"], messages.NewOrder(identifiers=[asked]))
    body = messages.Order.from_json(made.json())
    authorizations = [acme._authzr_from_response(acme._post_as_get(url), uri=url) for url in body.authorizations]
    order = messages.OrderResource(
        body=body, uri=made.headers["Location"], authorizations=authorizations, csr_pem=request(key_file)
    )
    (challenge,) = authorizations[0].body.challenges
    print(json.dumps({"token": challenge.chall.token}), flush=True)
    acme.answer_challenge(challenge, Attested(att_obj=sys.stdin.readline().strip()))
    deadline = datetime.datetime.now() + datetime.timedelta(seconds=30)
    return str(acme.poll_and_finalize(order, deadline).fullchain_pem)


def request(key_file: Path) -> bytes:
    key: Any = load_pem_private_key(key_file.read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "whatever it likes")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


if __name__ == "__main__":
    main()
