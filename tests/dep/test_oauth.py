"""OAuth signatures, held against the examples of RFC 5849 and against Authlib."""

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from corral.dep.oauth import authorization, base_string, signature
from corral.simulator.ade.signature import check, read_header


def test_the_base_string_is_that_of_the_rfc() -> None:
    """RFC 5849 3.4.1.1, whose parameters come from query, header and form."""
    parameters = [
        ("b5", "=%3D"),
        ("a3", "a"),
        ("c@", ""),
        ("a2", "r b"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
        ("c2", ""),
        ("a3", "2 q"),
    ]
    assert base_string("post", "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D"
        "%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1"
        "%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_the_signature_is_that_of_the_rfc() -> None:
    """RFC 5849 1.2: the request for the photograph."""
    parameters = [
        ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
        ("oauth_token", "nnch734d00sl2jdk"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131202"),
        ("oauth_nonce", "chapoH"),
        ("file", "vacation.jpg"),
        ("size", "original"),
    ]
    text = base_string("GET", "http://photos.example.net/photos", parameters)
    assert signature(text, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00") == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def test_the_key_is_made_of_both_secrets_escaped() -> None:
    expected = base64.b64encode(hmac.new(b"a%26b&c%3D", b"text", hashlib.sha1).digest()).decode()
    assert signature("text", "a&b", "c=") == expected


@given(
    secrets=st.tuples(st.text(max_size=30), st.text(max_size=30)),
    names=st.tuples(st.text("abcDEF019-._~", min_size=1), st.text("abcDEF019-._~", min_size=1)),
    path=st.sampled_from(["/session", "/", "/a%20b", "/x?b=2&a=1"]),
)
def test_authlib_takes_what_we_sign(secrets: tuple[str, str], names: tuple[str, str], path: str) -> None:
    url = f"https://mdmenrollment.example.com:8443{path}"
    header = authorization("GET", url, (names[0], secrets[0]), (names[1], secrets[1]), timestamp=1000, nonce="n")
    given_ = read_header(header)
    if "?" not in path:  # the stand-in signs no query, and Apple's /session has none
        check(given_, "GET", url, secrets[0], secrets[1], 1000.0)
    assert given_["realm"] == "ADM"
