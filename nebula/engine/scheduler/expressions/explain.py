"""Why a condition holds or not, in words: the terms that decided it."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.scheduler.expressions.attributes import Subject
from nebula.engine.scheduler.expressions.evaluate import term
from nebula.engine.scheduler.expressions.tree import Chain, Condition, Not, Term
from nebula.engine.scheduler.expressions.values import Attributes, Value, text_of, texts_of

_SHOWN = 60
"""Characters of a value that are shown."""
_MOST = 4
"""Terms that are told; people read no more."""
Outcome = tuple[bool, list["_TermTold"]]
"""Whether it holds, and the terms that made it so."""


class _Part(Protocol):
    def look(self, attributes: Attributes) -> Outcome: ...


class Told:
    """A condition that can say why."""

    def __init__(self, part: _Part) -> None:
        self._part = part

    def words(self, attributes: Attributes) -> str:
        """For example "FREE_MEMORY > 4194304 is false: 1048576 (1.0 GiB)"."""
        _, deciding = self._part.look(attributes)
        found = list(dict.fromkeys(item.words(attributes) for item in deciding))
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        return "; ".join(found[:_MOST]) + more


def told(tree: Condition, subject: Subject) -> Told:
    """Made once an expression, at its first explanation."""
    return Told(_part(tree, subject))


def _part(tree: Condition, subject: Subject) -> _Part:
    if isinstance(tree, Term):
        return _TermTold(tree, subject)
    return _NotTold(tree, subject) if isinstance(tree, Not) else _ChainTold(tree, subject)


class _NotTold:
    def __init__(self, tree: Not, subject: Subject) -> None:
        self._inner = _part(tree.operand, subject)

    def look(self, attributes: Attributes) -> Outcome:
        found, deciding = self._inner.look(attributes)
        return not found, deciding


class _ChainTold:
    def __init__(self, tree: Chain, subject: Subject) -> None:
        self._first = _part(tree.first, subject)
        self._rest = [(sign == "&", _part(item, subject)) for sign, item in tree.rest]

    def look(self, attributes: Attributes) -> Outcome:
        found, deciding = self._first.look(attributes)
        for both, part in self._rest:
            value, mine = part.look(attributes)
            if value is found:
                deciding = [*deciding, *mine]
            elif value is not both:  # true & false, false | true: the second one decides
                found, deciding = value, mine
        return found, deciding


class _TermTold:
    def __init__(self, tree: Term, subject: Subject) -> None:
        self._tree, self._subject = str(tree), subject
        self._name, self._holds = tree.name.name, term(tree, subject)

    def look(self, attributes: Attributes) -> Outcome:
        return self._holds(attributes), [self]

    def words(self, attributes: Attributes) -> str:
        """The term, what it is, and the value found."""
        found = "true" if self._holds(attributes) else "false"
        return f"{self._tree} is {found}: {self._value(attributes.get(self._name))}"

    def _value(self, value: Value | None) -> str:
        if value is None:
            return f"the {self._subject.noun} has no {self._name}"
        if value == ():
            return "there are none"
        text = " ".join(texts_of(value)) if isinstance(value, tuple) else text_of(value)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        known = self._subject.attributes.get(self._name)
        if known is None or not known.unit or not isinstance(value, int | float):
            return shown
        return f"{shown} ({value * known.unit / (1 << 30):.1f} GiB)"
