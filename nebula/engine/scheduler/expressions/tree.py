"""Expressions as trees. `str()` of a tree parses to the same tree."""

from __future__ import annotations

import re

import msgspec

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class Number(msgspec.Struct, frozen=True):
    """A number as it was written: `-3.5`, `4G`."""

    text: str

    @property
    def suffix(self) -> str:
        """K, M, G, T or nothing."""
        return self.text[-1].upper() if self.text[-1].isalpha() else ""

    @property
    def value(self) -> float:
        """Its value, bytes if it has a suffix."""
        return float(self.text.rstrip("KMGTkmgt")) * _SIZES[self.suffix]

    def __str__(self) -> str:
        return self.text


class Text(msgspec.Struct, frozen=True):
    """A text without quotes; may be a pattern."""

    text: str

    def __str__(self) -> str:
        return f'"{self.text}"'


class Name(msgspec.Struct, frozen=True):
    """An attribute; a path where it has a `/`."""

    name: str

    def __str__(self) -> str:
        return self.name if _WORD.fullmatch(self.name) else f'"{self.name}"'


class Term(msgspec.Struct, frozen=True):
    """NAME OPERATOR CONSTANT."""

    name: Name
    operator: str
    constant: Number | Text

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.constant}"


class Not(msgspec.Struct, frozen=True):
    """`!` and what follows at once: `!a & b` is `(!a) & b`."""

    operand: Condition

    def __str__(self) -> str:
        return f"!{_bracketed(self.operand)}"


class Chain(msgspec.Struct, frozen=True):
    """Conditions joined by `&` and `|`, from left to right: both bind alike."""

    first: Condition
    rest: tuple[tuple[str, Condition], ...]

    def __str__(self) -> str:
        return " ".join([_bracketed(self.first), *(f"{sign} {_bracketed(item)}" for sign, item in self.rest)])


Condition = Term | Not | Chain


class Negative(msgspec.Struct, frozen=True):
    """Unary minus."""

    operand: Formula

    def __str__(self) -> str:
        return f"-{_bracketed(self.operand)}"


class Calculation(msgspec.Struct, frozen=True):
    """Formulas joined by `+` and `-`, or by `*` and `/`, from left to right."""

    first: Formula
    rest: tuple[tuple[str, Formula], ...]

    @property
    def additive(self) -> bool:
        """Whether it adds and subtracts."""
        return self.rest[0][0] in "+-"

    def __str__(self) -> str:
        return " ".join([self._part(self.first), *(f"{sign} {self._part(item)}" for sign, item in self.rest)])

    def _part(self, item: Formula) -> str:
        binds_tighter = self.additive and isinstance(item, Calculation) and not item.additive
        return str(item) if binds_tighter else _bracketed(item)


Formula = Number | Name | Negative | Calculation


def _bracketed(item: Condition | Formula) -> str:
    return f"({item})" if isinstance(item, Chain | Calculation) else str(item)
