"""From text to words, numbers, quoted texts and signs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from nebula.engine.scheduler.expressions.failures import failure
from nebula.errors import UsageError

LONGEST = 4096
"""Characters in an expression."""
MOST_PARTS = 512
"""Terms, signs and brackets in an expression come to at most four times this."""
DEEPEST = 32
"""Brackets, `!` and `-` within each other."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[0-9]{1,18}(?:\.[0-9]{1,18})?[KMGTkmgt]?(?![A-Za-z0-9_.]))
    |(?P<word>[A-Za-z][A-Za-z0-9_]{0,127}(?![A-Za-z0-9_]))
    |(?P<text>"[^"]*")
    |(?P<sign>@>|!=|>=|<=|[=<>&|!()+*/-])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_HINTS = {
    "'": 'texts stand in double quotes: NAME = "a*"',
    "~": 'patterns are written with = and *: NAME = "a*"',
    "$": "a variable is $NAME or $VECTOR[ATTRIBUTE]",
    '"': 'the quote is not closed: end the text with "',
}


class Token(NamedTuple):
    """`kind` is number, word, text, sign or end; `at` is where it begins."""

    kind: str
    text: str
    at: int


def tokens(what: str, text: str) -> list[Token]:
    """All tokens, the end included."""
    if len(text) > LONGEST:
        raise UsageError(
            f"{what}: the expression is too long", cause=f"{len(text)} characters, at most {LONGEST}", hint="make it shorter"
        )
    found: list[Token] = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _unreadable(what, text, position)
        found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        if match.lastgroup == "end":
            return found
        position = match.end()
        if len(found) > 4 * MOST_PARTS:
            raise failure(what, text, position, "the expression has too many parts", "make it shorter")


def _unreadable(what: str, text: str, position: int) -> UsageError:
    at = position + len(text[position:]) - len(text[position:].lstrip())
    sign = text[at]
    if sign.isalnum() or sign == "_":
        return failure(what, text, at, "this is neither a name nor a number", 'write texts in double quotes: NAME = "7up"')
    return failure(what, text, at, f"{sign!r} means nothing here", _HINTS.get(sign, "docs/requirements.md has the grammar"))


class Reader:
    """The tokens of an expression, one after the other."""

    def __init__(self, what: str, text: str) -> None:
        self._what, self._text = what, text
        self._tokens: Sequence[Token] = tokens(what, text)
        self._position = self._depth = 0

    @property
    def next(self) -> Token:
        """The token that comes."""
        return self._tokens[self._position]

    def take(self) -> Token:
        """That token, and go on."""
        token = self.next
        self._position += token.kind != "end"
        return token

    def sign(self, *wanted: str) -> str:
        """The sign that comes, taken, if it is one of these; else ""."""
        token = self.next
        return self.take().text if token.kind == "sign" and token.text in wanted else ""

    def expect(self, sign: str, hint: str) -> None:
        """Take this sign."""
        if not self.sign(sign):
            raise self.wrong(f"expected {sign!r}", hint)

    def deeper(self) -> None:
        """One level down; refused below DEEPEST."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise failure(self._what, self._text, self.next.at, f"more than {DEEPEST} levels deep", "make it flatter")

    def higher(self) -> None:
        """One level up."""
        self._depth -= 1

    def wrong(self, expected: str, hint: str = "", token: Token | None = None) -> UsageError:
        """What was expected, and what came instead."""
        came = token or self.next
        got = "the end" if came.kind == "end" else came.text if came.kind == "text" else repr(came.text)
        return failure(self._what, self._text, came.at, f"{expected}, got {got[:60]}", hint)

    def refused(self, problem: str, hint: str, token: Token) -> UsageError:
        """What is wrong with this token."""
        return failure(self._what, self._text, token.at, problem, hint)
