"""What an expression must be when a VM is created: readable, and about attributes that exist."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from nebula.engine.scheduler.expressions.attributes import Attribute, Subject
from nebula.engine.scheduler.expressions.compiled import rank, requirement
from nebula.engine.scheduler.expressions.conditions import ORDERING
from nebula.engine.scheduler.expressions.failures import failure
from nebula.engine.scheduler.expressions.tree import Number, Term
from nebula.engine.scheduler.expressions.values import custom
from nebula.errors import UsageError

Custom = Callable[[], Collection[str]]
"""The names that people set on objects of this kind; asked only for what is not known anyway."""


def custom_names(groups: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """All names in several objects' attributes."""
    return frozenset(name for group in groups for name in custom(group))


def check_requirement(text: str, subject: Subject, what: str, set_by_people: Custom) -> None:
    """UsageError for what cannot be read, names an attribute that nothing has, or compares what never compares."""
    for term in requirement(text, subject, what).terms:
        _known(text, term.name.name, subject, what, set_by_people)
        known = subject.attributes.get(term.name.name)
        _sized(text, term, known, subject, what)
        if known is not None:
            _comparable(text, term, known, what)


def check_rank(text: str, subject: Subject, what: str, set_by_people: Custom) -> None:
    """UsageError for what cannot be read, names an attribute that nothing has, or counts with text."""
    for name in rank(text, subject, what).names:
        _known(text, name, subject, what, set_by_people)
        known = subject.attributes.get(name)
        if known is not None and known.kind != "number":
            raise _at(text, name, what, f"{name} is no number", "a rank counts with numbers")


def _known(text: str, name: str, subject: Subject, what: str, set_by_people: Custom) -> None:
    if name in subject.attributes:
        return
    others = set_by_people()
    if name in others:
        return
    close = difflib.get_close_matches(name.upper(), {*subject.attributes, *others}, n=3, cutoff=0.6)
    setting = f"nebula {subject.noun} update {subject.noun.upper()} --set {name.replace('/', '_')}=VALUE"
    if name in subject.elsewhere:
        raise _at(text, name, what, f"Nebula does not tell {name} of a {subject.noun}, and none has it set", setting)
    hint = f"did you mean {', '.join(close)}?" if close else setting
    raise _at(text, name, what, f"no {subject.noun} has an attribute {name[:60]}", hint)


def _comparable(text: str, term: Term, known: Attribute, what: str) -> None:
    name = term.name.name
    if known.kind == "ids":
        if term.operator not in {"=", "!="} or not str(term.constant).strip('"').isdecimal():
            raise _at(text, name, what, f"{name} is compared by = and != with a VM's id", f"{name} != 7")
    elif term.operator in ORDERING and known.kind in {"text", "words"}:
        raise _at(text, name, what, f"{name} is text: {term.operator} is always false", f'{name} = "a*"')


def _sized(text: str, term: Term, known: Attribute | None, subject: Subject, what: str) -> None:
    """`4G` needs an attribute that counts bytes."""
    if isinstance(term.constant, Number) and term.constant.suffix and not (known and known.unit):
        sizes = ", ".join(name for name, item in subject.attributes.items() if item.unit)
        raise _at(text, term.name.name, what, f"{term.name.name} is no size: write a plain number", f"sizes are: {sizes}")


def _at(text: str, name: str, what: str, problem: str, hint: str) -> UsageError:
    return failure(what, text, max(0, text.find(name.rpartition("/")[2])), problem, hint)
