"""From trees to functions: made once an expression, called once an object.

What is missing makes a term false, whatever its operator, and counts 0 in a rank.
"""

from __future__ import annotations

import fnmatch
import math
import operator
import re
from collections.abc import Callable

from nebula.engine.scheduler.expressions.attributes import Subject
from nebula.engine.scheduler.expressions.tree import Calculation, Chain, Condition, Formula, Name, Negative, Not, Number, Term
from nebula.engine.scheduler.expressions.values import Attributes, Value, number_of, text_of, texts_of

Holds = Callable[[Attributes], bool]
Amount = Callable[[Attributes], float]
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le,
}  # fmt: skip
_CALCULATE: dict[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def condition(tree: Condition, subject: Subject) -> Holds:
    """The function that says whether the condition holds."""
    if isinstance(tree, Not):
        inner = condition(tree.operand, subject)
        return lambda attributes: not inner(attributes)
    return _chain(tree, subject) if isinstance(tree, Chain) else term(tree, subject)


def _chain(tree: Chain, subject: Subject) -> Holds:
    first = condition(tree.first, subject)
    rest = [(sign == "&", condition(item, subject)) for sign, item in tree.rest]

    def holds(attributes: Attributes) -> bool:
        found = first(attributes)
        for both, test in rest:
            if found is both:  # else the next one changes nothing: true | x, false & x
                found = test(attributes)
        return found

    return holds


def term(tree: Term, subject: Subject) -> Holds:
    """The function of one term."""
    name, constant = tree.name.name, tree.constant
    known = subject.attributes.get(name)
    kind = known.kind if known else "text"
    if kind == "ids":
        return _among(name, tree.operator, constant.text)
    if isinstance(constant, Number):
        return _numeric(name, tree.operator, constant, known.unit if known else 0)
    if not constant.text:  # OpenNebula's way: nothing is equal to an empty text, and nothing is not
        return lambda _: False
    if tree.operator == "@>":
        return _any(name, matcher(constant.text))
    return _matching(name, tree.operator, constant.text, words=kind == "words")


def _among(name: str, sign: str, wanted: str) -> Holds:
    inside = sign == "="

    def holds(attributes: Attributes) -> bool:
        value = attributes.get(name)
        return value is not None and (wanted in texts_of(value)) is inside

    return holds


def _numeric(name: str, sign: str, constant: Number, unit: int) -> Holds:
    wanted = constant.value / unit if constant.suffix and unit else constant.value
    if sign == "@>":
        return _any(name, lambda text: number_of(text) == wanted)
    compare = _COMPARE[sign]

    def holds(attributes: Attributes) -> bool:
        value = attributes.get(name)
        if value.__class__ is not int and value.__class__ is not float:
            value = number_of(value)
        return value is not None and compare(value, wanted)

    return holds


def _matching(name: str, sign: str, pattern: str, *, words: bool) -> Holds:
    matches, equal = matcher(pattern), sign == "="
    shown: Callable[[Value], str] = (lambda value: " ".join(texts_of(value))) if words else text_of

    def holds(attributes: Attributes) -> bool:
        value = attributes.get(name)
        return value is not None and matches(shown(value)) is equal

    return holds


def _any(name: str, matches: Callable[[str], bool]) -> Holds:
    def holds(attributes: Attributes) -> bool:
        value = attributes.get(name)
        return value is not None and any(map(matches, texts_of(value)))

    return holds


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches the pattern (`*`, `?`, `[…]`), letters as they are. No text takes longer than its length
    times the pattern's: the expression has no backtracking over `*`.
    """
    if not any(sign in pattern for sign in "*?["):
        return pattern.__eq__
    match = re.compile(fnmatch.translate(pattern.replace("[^", "[!"))).match
    return lambda text: match(text) is not None


def formula(tree: Formula) -> Amount:
    """The function that computes the formula; may give inf or nan."""
    if isinstance(tree, Number):
        constant = tree.value
        return lambda _: constant
    if isinstance(tree, Name):
        return _named(tree.name)
    if isinstance(tree, Negative):
        inner = formula(tree.operand)
        return lambda attributes: -inner(attributes)
    return _calculation(tree)


def _named(name: str) -> Amount:
    def amount(attributes: Attributes) -> float:
        return number_of(attributes.get(name)) or 0.0

    return amount


def _calculation(tree: Calculation) -> Amount:
    first = formula(tree.first)
    rest = [(_CALCULATE.get(sign, _divide), formula(item)) for sign, item in tree.rest]

    def amount(attributes: Attributes) -> float:
        found = float(first(attributes))
        for calculate, item in rest:
            found = calculate(found, item(attributes))
        return found

    return amount


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def whole(amount: float) -> int:
    """A rank: truncated; what is no number, or too large for one, counts as 0."""
    return int(amount) if math.isfinite(amount) else 0
