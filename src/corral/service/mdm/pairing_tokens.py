"""Tokens by which a watch shows that the phone it is paired with is managed here (Apple: "GetToken", service
com.apple.watch.pairing; PAIRING_TOKEN of "MachineInfo").

The watch is told a security token, its phone gets ours for it and hands it over. `<expiry>.<phone>.<security>.<MAC>`:
the MAC (HMAC-SHA-256) is over these and the UDID of the watch, so that another watch can do nothing with it. Nothing is
stored: within its few minutes the same watch may bring it again, as one does whose answer was lost.
"""

import base64
import hashlib
import hmac

from corral.apple.checkin import GetToken
from corral.lifecycle.state import MINUTE
from corral.service.clock import Clock

PAIRING = "com.apple.watch.pairing"
VALID = 15 * MINUTE


class PairingTokens:
    def __init__(self, key: bytes, clock: Clock) -> None:
        """`key`: 32 bytes, of which one for this use alone is derived."""
        self._key = hmac.new(key, b"watch pairing", hashlib.sha256).digest()
        self._clock = clock

    async def token(self, asked: GetToken) -> bytes | None:
        """For a phone that is connected here, and the watch that it names; None if it does not say all, or asks in the
        name of another."""
        security_token, phone, watch = asked.security_token, asked.phone_udid, asked.watch_udid
        if security_token is None or watch is None or phone is None or phone != asked.speaker.device_id:
            return None
        return self.make(security_token, phone, watch)

    def make(self, security_token: str, phone_udid: str, watch_udid: str) -> bytes:
        words = [str(self._clock() + VALID), _word(phone_udid), _word(security_token)]
        return b".".join([*(word.encode() for word in words), self._mac(words, watch_udid)])

    def is_good(self, token: bytes, watch_udid: str) -> bool:
        """Whether we made it for a phone of ours and this watch, lately."""
        *words, mac = token.decode("latin-1").split(".")
        if len(words) != 3 or not hmac.compare_digest(mac.encode("latin-1"), self._mac(words, watch_udid)):
            return False
        return self._clock() < int(words[0])

    def _mac(self, words: list[str], watch_udid: str) -> bytes:
        text = ".".join([*words, _word(watch_udid)])
        digest = hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _word(text: str) -> str:
    """Without a dot in it, so that words cannot run into each other."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")
