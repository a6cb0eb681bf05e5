"""The grammar of ranks.

formula = product { ("+" | "-") product }
product = factor { ("*" | "/") factor }
factor  = "-" factor | "(" formula ")" | number | word | quoted path
"""

from __future__ import annotations

from collections.abc import Callable

from nebula.engine.scheduler.expressions.attributes import Subject
from nebula.engine.scheduler.expressions.tokens import MOST_PARTS, Reader
from nebula.engine.scheduler.expressions.tree import Calculation, Formula, Name, Negative, Number

_EXAMPLE = "for example FREE_CPU * 100 - RUNNING_VMS"


def parse_formula(what: str, text: str, subject: Subject) -> Formula | None:
    """The tree; None for an empty text. UsageError for what is no formula."""
    reader = Reader(what, text)
    if reader.next.kind == "end":
        return None
    found = _Parser(reader, subject).formula()
    if reader.next.kind != "end":
        raise reader.wrong("expected + - * / or the end", _EXAMPLE)
    return found


class _Parser:
    def __init__(self, reader: Reader, subject: Subject) -> None:
        self._reader, self._subject = reader, subject
        self._operands = 0

    def formula(self) -> Formula:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Formula:
        return self._chain(self._factor, "*", "/")

    def _chain(self, part: Callable[[], Formula], *signs: str) -> Formula:
        first = part()
        rest: list[tuple[str, Formula]] = []
        while sign := self._reader.sign(*signs):
            at = self._reader.next
            item = part()
            if sign == "/" and isinstance(item, Number) and item.value == 0:
                raise self._reader.refused("division by zero", _EXAMPLE, at)
            rest.append((sign, item))
        return Calculation(first, tuple(rest)) if rest else first

    def _factor(self) -> Formula:
        reader = self._reader
        reader.deeper()
        if reader.sign("-"):
            found: Formula = Negative(self._factor())
        elif reader.sign("("):
            found = self.formula()
            reader.expect(")", "close the bracket")
        else:
            found = self._operand()
        reader.higher()
        return found

    def _operand(self) -> Number | Name:
        reader = self._reader
        token = reader.take()
        self._operands += 1
        if self._operands > MOST_PARTS:
            raise reader.refused(f"more than {MOST_PARTS} numbers and names", "make it shorter", token)
        if token.kind == "number":
            if token.text[-1].isalpha():
                raise reader.refused("a rank takes plain numbers", "a size has a unit only in a requirement", token)
            return Number(token.text)
        if token.kind in {"word", "text"} and token.text != '""':
            return Name(self._subject.short(token.text.strip('"')))
        raise reader.wrong("expected a number or the name of an attribute", _EXAMPLE, token)
