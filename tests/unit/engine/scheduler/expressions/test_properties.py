"""Any text gives an answer or one UsageError; what is printed reads back the same; the compiled function agrees with a
naive reading of the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.scheduler.expressions import (
    DATASTORE,
    HOST,
    NETWORK,
    Subject,
    Value,
    check_rank,
    check_requirement,
    rank,
    requirement,
    substituted,
)
from nebula.engine.scheduler.expressions.conditions import parse_condition
from nebula.engine.scheduler.expressions.evaluate import matcher
from nebula.engine.scheduler.expressions.formulas import parse_formula
from nebula.engine.scheduler.expressions.tree import (
    Calculation,
    Chain,
    Condition,
    Formula,
    Name,
    Negative,
    Not,
    Number,
    Term,
    Text,
)
from nebula.errors import UsageError

subjects = st.sampled_from([HOST, DATASTORE, NETWORK])
PIECES = (
    'ID NAME FREE_MEMORY CURRENT_VMS X "A/B" "/HOST/ID" = != > < >= <= @> & | ! ( ) + - * / 1 2.5 4G "a*" "" "[z-a]" '
    "$ $NAME \\ ' \" é 9999999999999999999"
)
pieces = st.lists(st.sampled_from([*PIECES.split(), "\n"]), max_size=25).map(" ".join)
texts = st.text(max_size=60) | pieces
names = st.sampled_from(["A", "B", "NAME", "A/B", "FREE_MEMORY"])
patterns = st.text(alphabet="ab*?[]!-c", max_size=6).filter(lambda text: '"' not in text)
values = st.one_of(
    st.integers(-5, 5),
    st.floats(-5, 5, allow_nan=False).map(lambda number: round(number, 2)),
    st.sampled_from(["", "a", "ab", "abc", "3", "-2", "2.5", "nan", "1e3"]),
    st.lists(st.sampled_from(["a", "b", "3"]), max_size=3).map(tuple),
)
objects = st.dictionaries(names, values)
numbers = st.sampled_from(["0", "1", "3", "-2", "2.5", "-0.5"]).map(Number)
terms: st.SearchStrategy[Term] = st.one_of(
    st.builds(Term, st.builds(Name, names), st.sampled_from(["=", "!=", ">", "<", ">=", "<=", "@>"]), numbers),
    st.builds(Term, st.builds(Name, names), st.sampled_from(["=", "!=", "@>"]), st.builds(Text, patterns)),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Chain, inner, st.lists(st.tuples(st.sampled_from("&|"), inner), min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=12,
)


def _joined(signs: str, inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
    return st.builds(Calculation, inner, st.lists(st.tuples(st.sampled_from(signs), inner), min_size=1, max_size=3).map(tuple))


formulas: st.SearchStrategy[Formula] = st.recursive(
    st.one_of(st.sampled_from(["1", "3", "2.5"]).map(Number), st.builds(Name, names)),
    lambda inner: st.one_of(st.builds(Negative, inner), _joined("+-", inner), _joined("*/", inner)),
    max_leaves=10,
)


def refusal(read: Callable[[], object]) -> UsageError | None:
    """The UsageError that reading ends with; anything else goes up."""
    try:
        read()
    except UsageError as error:
        return error
    return None


@given(texts, subjects)
def test_any_text_is_read_or_refused_clearly(text: str, subject: Subject) -> None:
    for check in (check_requirement, check_rank):
        error = refusal(partial(check, text, subject, "IT", lambda: ("X",)))
        assert error is None or (error.message.startswith("IT: ") and error.cause and error.hint)


@given(texts)
def test_variables_are_put_in_or_refused_clearly(text: str) -> None:
    error = refusal(lambda: substituted(text, {"NAME": "web", "NIC": [{"MAC": "1"}]}))
    assert error is None or error.hint


@given(texts, objects)
def test_whatever_is_read_can_be_evaluated(text: str, attributes: dict[str, Value]) -> None:
    if refusal(lambda: requirement(text, HOST)) is None:
        assert isinstance(requirement(text, HOST).holds(attributes), bool)
        assert requirement(text, HOST).why(attributes) or not text.strip()
    if refusal(lambda: rank(text, HOST)) is None:
        assert isinstance(rank(text, HOST).of(attributes), int)


@given(conditions)
def test_a_printed_condition_reads_back(tree: Condition) -> None:
    assert parse_condition("IT", str(tree), HOST) == tree


@given(formulas)
def test_a_printed_formula_reads_back(tree: Formula) -> None:
    assert parse_formula("IT", str(tree), HOST) == tree


@given(conditions, objects)
def test_the_compiled_condition_agrees_with_the_naive_one(tree: Condition, attributes: dict[str, Value]) -> None:
    found = requirement(str(tree), HOST)
    assert found.holds(attributes) is naive(tree, attributes)
    assert found.why(attributes)


@given(formulas, objects)
def test_the_compiled_formula_agrees_with_the_naive_one(tree: Formula, attributes: dict[str, Value]) -> None:
    amount = computed(tree, attributes)
    assert rank(str(tree), HOST).of(attributes) == (math.trunc(amount) if math.isfinite(amount) else 0)


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="ab", max_size=8))
def test_patterns_agree_with_the_naive_ones(pattern: str, text: str) -> None:
    assert matcher(pattern)(text) is like(pattern, text)


def naive(tree: Condition, attributes: dict[str, Value]) -> bool:
    """The meaning, word by word."""
    if isinstance(tree, Not):
        return not naive(tree.operand, attributes)
    if isinstance(tree, Chain):
        found = naive(tree.first, attributes)
        for sign, item in tree.rest:
            other = naive(item, attributes)
            found = (found and other) if sign == "&" else (found or other)
        return found
    if tree.name.name not in attributes:
        return False
    value = attributes[tree.name.name]
    several: list[Any] = list(value) if isinstance(value, tuple) else [value]
    if tree.operator == "@>":
        return any(one(item, "=", tree.constant) for item in several)
    if not several:
        return one("", tree.operator, tree.constant) if isinstance(tree.constant, Text) else False
    return one(several[0], tree.operator, tree.constant)


def one(value: Any, operator: str, constant: Number | Text) -> bool:
    """One value against the constant."""
    if isinstance(constant, Text):
        equal = matcher(constant.text)(f"{value:g}" if isinstance(value, float) else str(value))
        return bool(constant.text) and equal is (operator == "=")
    number, wanted = as_number(value), float(constant.text)
    if number is None:
        return False
    return {
        "=": number == wanted, "!=": number != wanted, ">": number > wanted,
        "<": number < wanted, ">=": number >= wanted, "<=": number <= wanted,
    }[operator]  # fmt: skip


def as_number(value: Any) -> float | None:
    """A number, or a text that is written like one; of several the first."""
    if isinstance(value, tuple):
        value = value[0] if value else "nothing"
    if isinstance(value, str):
        return float(value) if value.lstrip("-").replace(".", "", 1).isdigit() else None
    return float(value)


def computed(tree: Formula, attributes: dict[str, Value]) -> float:
    """The formula's value, word by word."""
    if isinstance(tree, Number):
        return float(tree.text)
    if isinstance(tree, Name):
        return as_number(attributes.get(tree.name, 0)) or 0.0
    if isinstance(tree, Negative):
        return -computed(tree.operand, attributes)
    found = computed(tree.first, attributes)
    for sign, item in tree.rest:
        value = computed(item, attributes)
        if sign == "/" and not value:
            return math.nan
        found = {"+": found + value, "-": found - value, "*": found * value, "/": found / (value or 1)}[sign]
    return found


def like(pattern: str, text: str) -> bool:
    """`*` and `?`, tried in every way."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(like(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and like(pattern[1:], text[1:])
