"""Expressions ready for use, kept by their text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from nebula.engine.scheduler.expressions import evaluate
from nebula.engine.scheduler.expressions.attributes import DATASTORE, HOST, NETWORK, Subject
from nebula.engine.scheduler.expressions.conditions import parse_condition
from nebula.engine.scheduler.expressions.explain import Told, told
from nebula.engine.scheduler.expressions.formulas import parse_formula
from nebula.engine.scheduler.expressions.tree import Calculation, Chain, Condition, Formula, Name, Negative, Not, Term
from nebula.engine.scheduler.expressions.values import Attributes

KEPT = 4096
"""Expressions of each kind that are kept compiled."""
_SUBJECTS = {subject.noun: subject for subject in (HOST, DATASTORE, NETWORK)}


class Requirement:
    """A condition on a host, datastore or network. Calls are free of side effects."""

    def __init__(self, tree: Condition | None, subject: Subject) -> None:
        self.tree, self._subject = tree, subject
        self.terms = tuple(_terms(tree)) if tree is not None else ()
        self.names = frozenset(term.name.name for term in self.terms)
        self.holds = evaluate.condition(tree, subject) if tree is not None else _always
        self._told: Told | None = None

    def why(self, attributes: Attributes) -> str:
        """The terms that made it true or false, with the values found."""
        if self.tree is None:
            return ""
        self._told = self._told or told(self.tree, self._subject)
        return self._told.words(attributes)


class Rank:
    """A formula: the higher, the better."""

    def __init__(self, tree: Formula | None) -> None:
        self.tree = tree
        self.names = frozenset(_names(tree)) if tree is not None else frozenset()
        self._amount = evaluate.formula(tree) if tree is not None else None

    def of(self, attributes: Attributes) -> int:
        """The rank of the object, 0 where it cannot be computed."""
        return evaluate.whole(self._amount(attributes)) if self._amount is not None else 0


def _always(_: Attributes) -> bool:
    return True


@lru_cache(KEPT)
def _requirement(text: str, what: str, noun: str) -> Requirement:
    subject = _SUBJECTS[noun]
    return Requirement(parse_condition(what, text, subject), subject)


@lru_cache(KEPT)
def _rank(text: str, what: str, noun: str) -> Rank:
    return Rank(parse_formula(what, text, _SUBJECTS[noun]))


def requirement(text: str, subject: Subject, what: str = "SCHED_REQUIREMENTS") -> Requirement:
    """The requirement in `text`, which the attribute `what` holds. UsageError for what cannot be read."""
    return _requirement(text, what, subject.noun)


def rank(text: str, subject: Subject, what: str = "SCHED_RANK") -> Rank:
    """The rank in `text`, which the attribute `what` holds. UsageError for what cannot be read."""
    return _rank(text, what, subject.noun)


def _terms(tree: Condition) -> Iterator[Term]:
    if isinstance(tree, Term):
        yield tree
    elif isinstance(tree, Not):
        yield from _terms(tree.operand)
    elif isinstance(tree, Chain):
        for item in (tree.first, *(item for _, item in tree.rest)):
            yield from _terms(item)


def _names(tree: Formula) -> Iterator[str]:
    if isinstance(tree, Name):
        yield tree.name
    elif isinstance(tree, Negative):
        yield from _names(tree.operand)
    elif isinstance(tree, Calculation):
        for item in (tree.first, *(item for _, item in tree.rest)):
            yield from _names(item)
