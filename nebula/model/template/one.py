"""OpenNebula's template syntax, read: NAME = value, NAME = [ KEY = value, KEY = value ], comments, quotes."""

from __future__ import annotations

import re

from nebula.errors import UsageError
from nebula.model.template.values import LARGEST, LONGEST_NAME, MOST, Template, Value, Vector, text_fault

_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_BARE = re.compile(r"[^=#\[\], \t\r\n]+")
_SPACES = re.compile(r"[ \t\r]*")
_BLANKS = re.compile(r"[ \t\r\n]*")
_COMMENT = re.compile(r"[^\n]*")


def parse_one(text: str, where: str = "the template") -> Template:
    """The template. UsageError with line and column for what is none; `where` is what the text is called."""
    if len(text) > LARGEST:
        raise UsageError(f"{where} is larger than {LARGEST >> 10} KiB", hint="a template is a few hundred bytes")
    return _Reader(text, where).template()


class _Reader:
    """A place in the text that only moves on."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self._at = self._values = 0

    def template(self) -> Template:
        """All attributes, in their order; those of the same name as a list."""
        found: dict[str, list[Value]] = {}
        self._blanks()
        while self._at < len(self._text):
            name = self._name()
            value = self._vector() if self._equals(lines=False) == "[" else self._single()
            found.setdefault(name, []).append(value)
            self._blanks()
        return {name: items[0] if len(items) == 1 else items for name, items in found.items()}

    def _vector(self) -> Value:
        opened = self._at
        self._at += 1
        found: Vector = {}
        self._blanks()
        while self._next(opened) != "]":
            begin = self._at
            key = self._name()
            if key in found:
                raise self._error(f"{key} is in this group twice", "leave one out", at=begin)
            self._equals(lines=True)
            found[key] = self._single(ends=",]")
            self._blanks()
            if self._next(opened) == ",":
                self._at += 1
                self._blanks()
                if self._next(opened) == "]":
                    raise self._error("a value is missing behind the last comma", "take the comma away")
            elif self._next(opened) != "]":
                raise self._error("a comma or ] is missing here", 'write it like DISK=[IMAGE="debian", SIZE="10240"]')
        self._at += 1
        return found

    def _next(self, opened: int) -> str:
        if self._at >= len(self._text):
            raise self._error("this [ is never closed", "end the group with ]", at=opened)
        return self._text[self._at]

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            if self._text[self._at] == "#":
                raise self._error("a comment begins here, behind something else", "give it a line of its own, or quote the #")
            raise self._error(
                f"a name is expected here, not {self._text[self._at]!r}",
                'write it like NAME="value"; a value with blanks or any of = # [ ] , stands in quotes',
            )
        if len(found[0]) > LONGEST_NAME:
            raise self._error(f"this name has more than {LONGEST_NAME} characters", "shorten it")
        self._at = found.end()
        return found[0].upper()

    def _equals(self, *, lines: bool) -> str:
        """Past the `=` and the blanks behind it; what comes then. `lines`: a value may begin on a later line."""
        self._blanks()
        if self._at >= len(self._text) or self._text[self._at] != "=":
            raise self._error(
                "= is missing here", 'write it like NAME="value"; a value with blanks or any of = # [ ] , stands in quotes'
            )
        self._at += 1
        if lines:
            self._blanks()
        else:
            self._skip(_SPACES)
        return self._text[self._at : self._at + 1]

    def _single(self, ends: str = "") -> str:
        """A quoted or bare value; an empty one where the line or, in a group, the pair ends."""
        begin = self._at
        self._values += 1
        if self._values > MOST:
            raise self._error(f"the template has more than {MOST} values", "leave out what no VM needs")
        sign = self._text[begin : begin + 1]
        if sign in {"", "\n"} or (ends and sign in ends):
            return ""
        if sign == '"':
            value = self._quoted()
        else:
            found = _BARE.match(self._text, begin)
            if found is None:
                raise self._error(f"a value cannot begin with {sign!r}", 'put it in quotes: NAME="value"')
            value, self._at = found[0], found.end()
        if fault := text_fault(value):
            raise self._error(fault, "let a small script fetch the rest", at=begin)
        return value

    def _quoted(self) -> str:
        opened = self._at
        end = opened + 1
        while (end := self._text.find('"', end)) >= 0 and self._text[end - 1] == "\\":
            end += 1
        if end < 0:
            raise self._error("this quote is never closed", 'end the value with ", and write \\" for a quote inside')
        self._at = end + 1
        return self._text[opened + 1 : end].replace('\\"', '"')

    def _blanks(self) -> None:
        """Blanks, line ends and comments, which begin a line."""
        while True:
            self._skip(_BLANKS)
            if self._text[self._at : self._at + 1] != "#" or not self._at_line_start():
                return
            self._skip(_COMMENT)

    def _at_line_start(self) -> bool:
        line = self._text.rfind("\n", 0, self._at) + 1
        return not self._text[line : self._at].strip(" \t\r")

    def _skip(self, what: re.Pattern[str]) -> None:
        found = what.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _error(self, problem: str, hint: str, *, at: int = -1) -> UsageError:
        place = self._at if at < 0 else at
        line = self._text.count("\n", 0, place) + 1
        column = place - self._text.rfind("\n", 0, place)
        return UsageError(f"{self._where}, line {line}, column {column}: {problem}", hint=hint)
