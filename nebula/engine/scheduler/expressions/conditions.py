"""The grammar of requirements.

condition = factor { ("&" | "|") factor }          one level, from left to right
factor    = "!" factor | "(" condition ")" | term
term      = name operator constant
name      = word | quoted path
operator  = "=" | "!=" | ">" | "<" | ">=" | "<=" | "@>"
constant  = ["-"] number | word | quoted text
"""

from __future__ import annotations

from nebula.engine.scheduler.expressions.attributes import Subject
from nebula.engine.scheduler.expressions.tokens import MOST_PARTS, Reader
from nebula.engine.scheduler.expressions.tree import Chain, Condition, Name, Not, Number, Term, Text

ORDERING = frozenset({">", "<", ">=", "<="})
_OPERATORS = ("=", "!=", ">", "<", ">=", "<=", "@>")
_QUOTES = 'a text with signs in it stands in double quotes: NAME = "host-1"'
_EXAMPLE = 'for example FREE_MEMORY >= 4G & NAME = "a*"'


def parse_condition(what: str, text: str, subject: Subject) -> Condition | None:
    """The tree; None for an empty text, which is always true. UsageError for what is no condition."""
    reader = Reader(what, text)
    if reader.next.kind == "end":
        return None
    parser = _Parser(reader, subject)
    found = parser.condition()
    if reader.next.kind != "end":
        raise reader.wrong("expected &, | or the end", _QUOTES if reader.next.text in "-+*/" else _EXAMPLE)
    return found


class _Parser:
    def __init__(self, reader: Reader, subject: Subject) -> None:
        self._reader, self._subject = reader, subject
        self._terms = 0

    def condition(self) -> Condition:
        first = self._factor()
        rest: list[tuple[str, Condition]] = []
        while sign := self._reader.sign("&", "|"):
            if self._reader.next.text == sign:
                raise self._reader.refused(f"{sign}{sign} is written {sign}", f"a {sign} b", self._reader.next)
            rest.append((sign, self._factor()))
        return Chain(first, tuple(rest)) if rest else first

    def _factor(self) -> Condition:
        reader = self._reader
        reader.deeper()
        if reader.sign("!"):
            found: Condition = Not(self._factor())
        elif reader.sign("("):
            found = self.condition()
            reader.expect(")", "close the bracket")
        else:
            found = self._term()
        reader.higher()
        return found

    def _term(self) -> Term:
        reader = self._reader
        token = reader.take()
        if token.kind not in {"word", "text"} or token.text == '""':
            raise reader.wrong("expected the name of an attribute", _EXAMPLE, token)
        self._terms += 1
        if self._terms > MOST_PARTS:
            raise reader.refused(f"more than {MOST_PARTS} terms", "make it shorter", token)
        name = Name(self._subject.short(token.text.strip('"')))
        operator = reader.sign(*_OPERATORS)
        if not operator:
            raise reader.wrong(f"expected {' '.join(_OPERATORS)}", _EXAMPLE)
        return Term(name, operator, self._constant(operator))

    def _constant(self, operator: str) -> Number | Text:
        reader = self._reader
        minus = reader.sign("-")
        token = reader.take()
        if token.kind == "number":
            return Number(minus + token.text)
        if token.kind == "sign" and token.text == "=" and operator == "=":
            raise reader.refused("== is written =", _EXAMPLE, token)
        if minus or token.kind not in {"word", "text"}:
            raise reader.wrong("expected a number or a text", _EXAMPLE, token)
        if operator in ORDERING:
            raise reader.refused(f"{operator} compares with a number only", "texts are compared by = and !=", token)
        return Text(token.text.strip('"'))
