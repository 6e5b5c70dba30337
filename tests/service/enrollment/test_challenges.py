"""Challenges stand for a grant, and cannot be made by anybody else."""

import base64
import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.service.enrollment.challenges import Challenges, EnrollChallenge, GrantChallenge

CHALLENGES = Challenges(b"k" * 32)


def for_link(challenges: Challenges = CHALLENGES, kept: str = "0123456789abcdef") -> tuple[str, str]:
    """A challenge under the link `link`, and the grant that it names."""
    challenge = challenges.for_link("link", kept)
    read = challenges.read(challenge)
    assert isinstance(read, EnrollChallenge)
    assert (read.link_id, read.kept) == ("link", kept)
    return challenge, read.grant_id


def test_each_download_of_a_link_gets_a_grant_of_its_own() -> None:
    _, grant = for_link()
    _, other = for_link()
    assert grant != other
    assert len(grant) == 24, "nobody guesses it"


def test_a_renewal_is_named_by_its_grant() -> None:
    grant = "6F9619FF-8B86-D011-B42D-00CF4FC964FF"
    assert CHALLENGES.read(CHALLENGES.for_grant(grant)) == GrantChallenge(grant)


@pytest.mark.parametrize(("kind", "signed"), [("e", True), ("u", False)])
def test_the_challenges_of_an_earlier_version_are_good_still(kind: str, signed: bool) -> None:
    body = f"{kind}.link.{'0' * 24}"
    mac = hmac.new(b"k" * 32, body.encode(), hashlib.sha256).digest()[:16]
    challenge = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert CHALLENGES.read(challenge) == EnrollChallenge("link", "0" * 24, signed=signed)


def test_a_challenge_fits_into_a_certificate_request() -> None:
    """RFC 5280 bounds a PrintableString in no way, but implementations stop at 255 characters."""
    challenge = CHALLENGES.for_link("a" * 16, "b" * 16)
    assert len(challenge) < 128
    assert set(challenge) <= set(string.ascii_letters + string.digits + "-_.")


def test_another_key_makes_other_challenges() -> None:
    foreign, _ = for_link(Challenges(b"o" * 32))
    assert CHALLENGES.read(foreign) is None


def test_any_changed_character_is_noticed() -> None:
    challenge, _ = for_link()
    for at, character in enumerate(challenge):
        changed = challenge[:at] + ("A" if character != "A" else "B") + challenge[at + 1 :]
        assert CHALLENGES.read(changed) is None
    assert CHALLENGES.read(challenge + "A") is None
    assert CHALLENGES.read(challenge[:-1]) is None


def test_one_kind_does_not_pass_for_the_other() -> None:
    enroll, grant = for_link()
    renew = CHALLENGES.for_grant(grant)
    mac = enroll.rpartition(".")[2]
    assert CHALLENGES.read(f"r.{grant}..{mac}") is None
    assert CHALLENGES.read(f"u.link.{grant}.{mac}") is None
    assert CHALLENGES.read(f"e.link.{grant}.{renew.rpartition('.')[2]}") is None


def test_a_name_with_a_dot_is_not_split_into_another() -> None:
    challenge = CHALLENGES.for_grant("a.b")
    assert CHALLENGES.read(challenge) is None


@pytest.mark.parametrize("text", ["", ".", "...", "e.link.grant", "x" * 100_000, "ü.ö.ä.ß"])
def test_what_was_not_made_here_is_none(text: str) -> None:
    assert CHALLENGES.read(text) is None


@given(st.text(max_size=200))
def test_any_text_is_none(text: str) -> None:
    assert CHALLENGES.read(text) is None
