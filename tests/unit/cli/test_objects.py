"""Ids, names, ranges and patterns."""

from __future__ import annotations

import pytest

from nebula.cli.objects import Target, match
from nebula.errors import ConflictError, NebulaError, NotFoundError, UsageError

KNOWN = [
    Target("1", "web"),
    Target("2", "db-1"),
    Target("7", "db-2"),
    Target("12", "twin"),
    Target("13", "twin"),
    Target("14", "7up"),
]


@pytest.mark.parametrize(
    ("word", "refs"),
    [("web", "1"), ("7", "7"), ("007", "7"), ("1..7", "1 2 7"), ("db*", "2 7"), ("*-?", "2 7"), ("t*", "12 13"), ("7up", "14")],
)
def test_words_and_what_they_mean(word: str, refs: str) -> None:
    assert [target.ref for target in match("vm", word, KNOWN)] == refs.split()


@pytest.mark.parametrize(
    ("word", "error", "hint"),
    [
        ("wbe", NotFoundError, "web"),
        ("99", NotFoundError, "list"),
        ("100..200", NotFoundError, "list"),
        ("x*", NotFoundError, "list"),
        ("twin", ConflictError, "12, 13"),
        ("9..1", UsageError, "1..9"),
        ("9" * 30, NotFoundError, "list"),
    ],
)
def test_words_that_mean_nothing(word: str, error: type[NebulaError], hint: str) -> None:
    with pytest.raises(error) as caught:
        match("vm", word, KNOWN)
    assert hint in caught.value.hint
