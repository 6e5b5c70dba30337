"""Signatures of one signer are alike, and reading one takes as long as checking it: so the next is read only where it
may differ.

How BER is taken apart depends on tags and lengths alone, never on what primitive elements hold. Where all bytes but
those in the message digest, the signing time and the signature value are those of a signature that was read before,
reading gives the same again with these three exchanged. That is what happens here, and nothing else: each signature is
still checked, and only what has held is remembered.
"""

from collections.abc import Mapping
from typing import NamedTuple

from corral.pki import ber
from corral.pki.cms import algorithms
from corral.pki.cms.certificate import signed_data_fields

MOST = 8192
"""Signers that are remembered, those of longest standing forgotten first."""
LONGEST = 4096
"""Bytes; that of a device takes some two thousand, and what is longer is read as a whole each time."""
MOST_LAYOUTS = 8
"""Of one length; devices of one kind have the same but for what their certificates take."""

_CHANGING = (algorithms.MESSAGE_DIGEST, algorithms.SIGNING_TIME)


class Signed(NamedTuple):
    """A SignedData that was read and not yet checked: nothing in it is to be believed.

    `digest` is None for an algorithm that is not accepted; `covered` is the signed attributes as DER, if
    there are any.
    """

    content: bytes | None
    content_type: bytes
    certificates: tuple[bytes, ...]
    signer: bytes
    digest: str | None
    covered: bytes | None
    attributes: Mapping[bytes, bytes]
    algorithm: bytes
    parameters: bytes
    value: bytes


class _Layout(NamedTuple):
    """Where things lie in a signature: the signed attributes, those of them that change (from, to), the value; and all
    that changes, by its place."""

    covered: tuple[int, int]
    attributes: tuple[tuple[bytes, int, int], ...]
    value: tuple[int, int]
    changing: tuple[tuple[int, int], ...]


class Familiar:
    """What signatures that have held look like."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[_Layout]] = {}
        self._known: dict[tuple[_Layout, bytes], Signed] = {}

    def read(self, data: bytes) -> Signed | None:
        """What reading it as a whole would give; None if nothing like it is known."""
        for layout in self._layouts.get(len(data), ()):
            like = self._known.get((layout, _lasting(data, layout)))
            if like is not None:
                return _exchanged(like, data, layout)
        return None

    def remember(self, data: bytes, signed: Signed) -> None:
        """`signed` was read from `data`, and the signature holds."""
        layout = _layout(data) if len(data) <= LONGEST else None
        if layout is None:
            return
        layouts = self._layouts.setdefault(len(data), [])
        if layout not in layouts:
            if len(layouts) >= MOST_LAYOUTS:
                return
            layouts.append(layout)
        if len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)))
        self._known[layout, _lasting(data, layout)] = signed


def _lasting(data: bytes, layout: _Layout) -> bytes:
    pieces: list[bytes] = []
    position = 0
    for start, stop in layout.changing:
        pieces.append(data[position:start])
        position = stop
    pieces.append(data[position:])
    return b"".join(pieces)


def _exchanged(like: Signed, data: bytes, layout: _Layout) -> Signed:
    start, stop = layout.covered
    attributes = dict(like.attributes)
    for name, begin, end in layout.attributes:
        attributes[name] = data[begin:end]
    return Signed(
        like.content,
        like.content_type,
        like.certificates,
        like.signer,
        like.digest,
        b"\x31" + data[start + 1 : stop],
        attributes,
        like.algorithm,
        like.parameters,
        data[layout.value[0] : layout.value[1]],
    )


def _layout(data: bytes) -> _Layout | None:
    """Of a signature that can be read; None where signed attributes are missing, or lengths indefinite among them."""
    reader = ber.Reader(data)
    info = reader.children(reader.children(signed_data_fields(reader)[-1])[0])
    if len(info) < 6 or info[3].tag != 0xA0 or info[5].tag != ber.OCTET_STRING or _is_indefinite(data, info[3]):
        return None
    attributes: list[tuple[bytes, int, int]] = []
    changing = [(info[5].content, info[5].end)]
    for attribute in reader.children(info[3]):
        name, values = reader.children(attribute)[:2]
        key, value = reader.value(name), reader.only(values)
        if key in _CHANGING:
            if value.tag & ber.CONSTRUCTED:
                return None
            attributes.append((key, value.start, value.stop))
            changing.append((value.content, value.end))
    return _Layout(
        (info[3].start, info[3].stop), tuple(attributes), (info[5].content, info[5].end), tuple(sorted(changing))
    )


def _is_indefinite(data: bytes, element: ber.Element) -> bool:
    return data[element.start + 1] == 0x80
