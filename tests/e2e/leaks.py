"""A secret, and every spelling in which it may slip out."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus


@dataclass(frozen=True, slots=True)
class Secret:
    """`sealed`: also not to be found in the database's files."""

    name: str
    value: bytes
    sealed: bool = True

    def forms(self) -> Iterator[bytes]:
        """As it is, in hex, in base64 wherever in a longer text it begins, in a URL, in JSON and as Python shows it."""
        yield self.value
        yield self.value.hex().encode()
        yield self.value.hex().upper().encode()
        for shift in range(3):
            # The first and the last characters are made of what stands beside it, too.
            encoded = base64.b64encode(b"\0" * shift + self.value)
            encoded = encoded[(0, 2, 3)[shift] : (len(self.value) + shift) * 4 // 3]
            yield encoded
            yield encoded.translate(bytes.maketrans(b"+/", b"-_"))
        text = self.value.decode("latin-1")
        for spelled in (quote(text, safe="", encoding="latin-1"), quote_plus(text, encoding="latin-1")):
            yield spelled.encode()
        yield json.dumps(text)[1:-1].encode()
        yield repr(self.value)[2:-1].encode()

    def found_in(self, text: bytes) -> int | None:
        """Where the first of it is."""
        places = [place for form in set(self.forms()) if (place := _place(form, text)) >= 0]
        return min(places, default=None)


def _place(form: bytes, text: bytes) -> int:
    if not form.isdigit():
        return text.find(form)
    # A few digits are in every large number, in fractions of seconds above all: as a word of their own they are meant.
    found = re.search(rb"(?<![0-9A-Za-z._-])" + form + rb"(?![0-9A-Za-z_-])", text)
    return -1 if found is None else found.start()


def leaks(secrets: Iterable[Secret], said: Mapping[str, bytes]) -> list[tuple[str, str, str]]:
    """Which secret is where, and between what."""
    return [
        (secret.name, place, repr(text[max(at - 200, 0) : at + 100]))
        for secret in secrets
        for place, text in said.items()
        if (at := secret.found_in(text)) is not None
    ]
