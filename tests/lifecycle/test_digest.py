"""Network users prove their password, and nothing else lets them in."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple import plist
from corral.apple.checkin import UserAuthenticate
from corral.lifecycle.change import ACCEPTED, Answer, Decision
from corral.lifecycle.decide import decide
from corral.lifecycle.digest import NONCE_VALID, UserFileError, read_users
from corral.lifecycle.policy import Policy, UserAuthentication
from lifecycle import arrange as a


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


VERIFIER = read_users(f"ann:school:{md5('ann:school:secret')}\nbob:school:{md5('bob:school:other')}\n", b"k" * 32)
POLICY = Policy(user_authentication=UserAuthentication.DIGEST, verifier=VERIFIER)


def respond(
    challenge: str, user: str, password: str, *, method: str = "PUT", qop: str = "", realm: str = "school"
) -> str:
    """What a Mac makes of a challenge (RFC 2617 3.2.2)."""
    nonce = challenge.partition('nonce="')[2].partition('"')[0]
    middle, more = nonce, ""
    if qop:
        middle, more = f"{nonce}:00000001:c:{qop}", f',qop={qop},nc=00000001,cnonce="c"'
    ha1, ha2 = md5(f"{user}:{realm}:{password}"), md5(f"{method}:/")
    proof = md5(f"{ha1}:{middle}:{ha2}")
    return f'Digest username="{user}",realm="{realm}",nonce="{nonce}",uri="/",response="{proof}"{more}'


def challenge(now: int = a.NOW) -> str:
    return VERIFIER.challenge(a.UDID, "ANN", now)


def token(response: str, *, device: str = a.UDID, user: str = "ANN", name: str | None = "ann", now: int = a.NOW) -> str:
    return VERIFIER.auth_token(response, device, user, name, now)


@pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
@pytest.mark.parametrize("qop", ["", "auth"])
def test_the_right_password_is_proven(method: str, qop: str) -> None:
    proven = token(respond(challenge(), "ann", "secret", method=method, qop=qop))
    assert VERIFIER.gave(proven, a.UDID, "ANN")
    assert proven == token(respond(challenge(), "ann", "secret", method=method, qop=qop)), "a repeated message"
    assert token(respond(challenge(), "ann", "secret"), name=None)


def test_nothing_else_is() -> None:
    good = respond(challenge(), "ann", "secret")
    refused = [
        token(respond(challenge(), "ann", "wrong")),
        token(respond(challenge(), "bob", "other")),
        token(respond(challenge(), "eve", "secret"), name=None),
        token(respond(challenge(), "ann", "secret", realm="home")),
        token(respond(challenge(), "ann", "secret", method="DELETE")),
        token(good, device="UDID-2"),
        token(good, user="BOB"),
        token(good, now=a.NOW + NONCE_VALID),
        token(good, now=a.NOW - 1),
        token(respond('Digest nonce="abc",realm="school"', "ann", "secret")),
        token(good.replace("Digest ", "Basic ")),
        token(good + " " * 4096),
    ]
    assert refused == [""] * len(refused)


def test_a_token_is_good_for_whom_it_was_given_and_nobody_else() -> None:
    given = token(respond(challenge(), "ann", "secret"))
    assert VERIFIER.gave(given, a.UDID, "ANN")
    other = read_users(f"ann:school:{md5('ann:school:secret')}", b"x" * 32)
    assert not other.gave(given, a.UDID, "ANN")
    for wrong, device, user in ((given, a.UDID, "BOB"), (given, "UDID-2", "ANN"), (given[:-1], a.UDID, "ANN")):
        assert not VERIFIER.gave(wrong, device, user)
    assert not VERIFIER.gave("", a.UDID, "ANN")
    assert not VERIFIER.gave("\N{SNOWMAN}.x", a.UDID, "ANN")


@given(st.text(max_size=300))
def test_whatever_is_sent_is_read_and_proves_nothing(response: str) -> None:
    assert token(response) == token("Digest " + response) == ""


def ask(response: str | None, policy: Policy = POLICY) -> Decision:
    return decide(a.seen(channel=None), UserAuthenticate(a.ANN, response), a.identity(), policy, a.moment())


def said(decision: Decision) -> dict[str, object]:
    assert isinstance(decision.answer, Answer)
    assert decision.answer.status == 200
    return dict(plist.parse_dict(decision.answer.body))


def test_row_13_a_user_is_challenged_and_then_gets_a_token() -> None:
    first = ask(None)
    assert first.change.is_empty
    given = str(said(first)["DigestChallenge"])
    assert given == challenge()
    second = ask(respond(given, "ann", "secret"))
    assert said(second) == {"AuthToken": token(respond(given, "ann", "secret"))}
    assert a.kinds(second.change) == ["user.authenticated"]
    assert "secret" not in str(second.change)


def test_row_13_a_wrong_password_gets_an_empty_token_and_leaves_a_trace() -> None:
    decision = ask(respond(challenge(), "ann", "wrong"))
    assert said(decision) == {"AuthToken": ""}
    assert a.event(decision.change, "user.refused").data == {"user_id": "ANN", "user_short_name": "ann"}


def test_row_13_a_token_that_is_shown_must_be_the_users_own() -> None:
    def update(token: str | None, policy: Policy = POLICY) -> Decision:
        message = replace(a.token_update(a.ANN), auth_token=token)
        return decide(a.seen(channel=None), message, a.identity(), policy, a.moment())

    good = token(respond(challenge(), "ann", "secret"))
    assert update(good).answer == ACCEPTED
    assert update(None).answer == ACCEPTED, "a local user has none"
    assert update("forged", Policy()).answer == ACCEPTED, "nobody was asked for a password"
    refused = update("forged")
    assert isinstance(refused.answer, Answer)
    assert refused.answer.status == 410
    assert a.kinds(refused.change) == ["user.refused"]
    assert refused.change.channels == ()


def test_row_13_without_a_file_of_users_nobody_is_managed() -> None:
    answer = ask(None, Policy(user_authentication=UserAuthentication.DIGEST)).answer
    assert isinstance(answer, Answer)
    assert answer.status == 410


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no users"),
        ("ann:school:short", "line 1"),
        (f"ann:school:{'0' * 32}\nbob", "line 2"),
        (f"ann:school:{'0' * 32}\nbob:home:{'0' * 32}", "one realm"),
        (f'ann:sch"ool:{"0" * 32}', "line 1"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(UserFileError, match=why):
        read_users(text, b"k")


def test_nothing_of_the_users_is_shown() -> None:
    assert "ann" not in repr(VERIFIER)
    assert VERIFIER.users["ann"] not in repr(POLICY)
