"""Whatever comes instead of an attestation: one kind of error, and nothing is believed that Apple did not sign.

That what is made here comes as far as each check is a part of the test; else it might all end at the first.
"""

from datetime import UTC, datetime
from functools import cache

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from corral.pki.attestation import (
    MOST_CERTIFICATES,
    AttestationError,
    attestation_trust,
    check_attestation,
    read_attestation_object,
)
from corral.pki.trust import Trust
from corral.simulator import attesting
from corral.simulator.attesting import AttestationServer, attestation_server

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EXTENSIONS = tuple(f"1.2.840.113635.100.8.{end}" for end in ("9.1", "9.2", "10.1", "11.1", "13.1", "13.2", "13.3"))


@cache
def apple() -> tuple[AttestationServer, Trust]:
    server = attestation_server(NOW)
    return server, attestation_trust([server.root])


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


@cache
def chain() -> tuple[bytes, ...]:
    server, _ = apple()
    return server.attest(key().public_key(), {attesting.SERIAL_NUMBER: b"C02XK1ZZJGH5"}, NOW)


@cache
def others() -> tuple[bytes, ...]:
    """Of somebody else who calls himself the same."""
    return attestation_server(NOW).attest(key().public_key(), {attesting.SERIAL_NUMBER: b"C0FFEE"}, NOW)


scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.text() | st.binary()
tagged = st.builds(cbor2.CBORTag, st.sampled_from([0, 1, 2, 3, 4, 25, 28, 29, 30, 35, 258, 55799, 9999]), scalars)
values = st.recursive(
    scalars | tagged, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@st.composite
def altered(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    """Cut off, lengthened, or with some bytes exchanged."""
    data = bytearray(draw(source))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    end = draw(st.integers(0, len(data)) | st.just(len(data)))
    return bytes(data[:end]) + draw(st.binary(max_size=3) | st.just(b""))


certificates = st.deferred(lambda: st.sampled_from([*chain(), *others()]) | altered(st.sampled_from(chain())))


@st.composite
def documents(draw: st.DrawFn) -> object:
    """A true attestation with at most one of its parts exchanged, or many, or none of it true."""
    chains = st.just(list(chain())) | st.just(list(others())) | st.lists(certificates, max_size=MOST_CERTIFICATES)
    statement: dict[str, object] = {"x5c": draw(chains)}
    document: dict[str, object] = {"fmt": "apple", "attStmt": statement}
    match draw(st.integers(0, 7)):
        case 0:
            document["fmt"] = draw(st.sampled_from(["none", "tpm", "packed"]) | values)
        case 1:
            document["attStmt"] = draw(values)
        case 2:
            statement["x5c"] = draw(values)
        case 3:
            statement["x5c"] = draw(st.lists(certificates | scalars, max_size=3))
        case 4:
            statement["x5c"] = [*chain()] * draw(st.integers(1, MOST_CERTIFICATES))
        case 5:
            document |= draw(st.dictionaries(st.text(), values, max_size=2))
        case _:
            pass
    return document


objects = st.one_of(documents().map(cbor2.dumps), documents().map(cbor2.dumps), values.map(cbor2.dumps))
inputs = st.one_of(objects, objects, altered(objects), st.binary())


def reason(data: bytes) -> str:
    """Why it is not believed; `believed`, or `nothing` where it attests nothing."""
    try:
        found = read_attestation_object(data)
        if not found:
            return "nothing"
        assert check_attestation(found, apple()[1], NOW).properties.serial_number == "C02XK1ZZJGH5"
        assert found[0] == chain()[0], "the very leaf that was signed"
    except AttestationError as error:
        return str(error)
    return "believed"


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(EXTENSIONS), st.binary(max_size=80)))
def test_whatever_apple_writes_into_an_extension_is_read_or_left_out(said: dict[str, bytes]) -> None:
    server, trust = apple()
    found = check_attestation(server.attest(key().public_key(), said, NOW), trust, NOW)
    assert found.freshness is None or found.freshness in said.get("1.2.840.113635.100.8.11.1", b"")


DEEP = (
    "is no CBOR",
    "has no fmt and attStmt",
    "attestation of format",
    "no attStmt",
    "x5c is no array",
    "x5c of more than",
    "x5c holds something other",
    "unreadable certificate",
    "is an authority's, not a device's",
    "no trusted authority",
    "did not sign it",
    "believed",
)


def test_nothing_else_is_believed_there_is_one_kind_of_error_and_every_check_is_reached() -> None:
    reached: set[str] = set()

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(inputs)
    def look(data: bytes) -> None:
        reached.add(reason(data))

    look()
    assert [deep for deep in DEEP if not any(deep in each for each in reached)] == []
