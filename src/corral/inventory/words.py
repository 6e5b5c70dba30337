"""The words of the language of questions, and each with its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from corral.inventory.question import LONGEST, QuestionError

KEYWORDS = frozenset({"and", "or", "not", "in", "has", "is", "known", "unknown"})

_INSTEAD = {"==": "=", "=~": "~", "<>": "!=", "!": "not", "&&": "and", "&": "and", "||": "or", "|": "or"}
"""Of signs that other languages have."""

_WORD = re.compile(
    r"\s+"
    r"|(?P<foreign>==|=~|<>|!(?!=)|&&?|\|\|?)"
    r"|(?P<sign><=|>=|!=|[=<>~(),])"
    r'|"(?P<quoted>(?:[^"\\]|\\.)*)"'
    r"""|(?P<bare>[^\s<>=!~(),"]+)""",
    re.DOTALL,
)
_PLAIN = re.compile(r"""[^\s<>=!~(),"&|][^\s<>=!~(),"]*""")


@dataclass(frozen=True, slots=True)
class Word:
    """`kind` is `sign`, `quoted`, `bare` or, behind the last one, `end`."""

    kind: str
    text: str
    place: int

    @property
    def keyword(self) -> str:
        """Which one it is, or empty."""
        lowered = self.text.lower()
        return lowered if self.kind == "bare" and lowered in KEYWORDS else ""


def words(text: str) -> Iterator[Word]:
    """Raises QuestionError."""
    if len(text) > LONGEST:
        raise QuestionError(f"a question has {LONGEST} characters at most", LONGEST)
    place = 0
    while place < len(text):
        match = _WORD.match(text, place)
        if match is None:
            what = "a quotation mark without its end" if text[place] == '"' else f"{text[place]!r} means nothing here"
            raise QuestionError(what, place)
        if match.lastgroup == "foreign":
            raise QuestionError(f"{match[0]!r} means nothing here; write `{_INSTEAD[match[0]]}`", place)
        if match.lastgroup is not None:
            found = match[match.lastgroup]
            yield Word(match.lastgroup, _unquoted(found) if match.lastgroup == "quoted" else found, place)
        place = match.end()
    yield Word("end", "", len(text))


def quoted(text: str) -> str:
    """As a question says it: bare where that means the same."""
    if _PLAIN.fullmatch(text) and text.lower() not in KEYWORDS:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
