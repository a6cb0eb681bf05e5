"""Ids, names, ranges and patterns."""

from __future__ import annotations

import pytest

from nebula.cli.objects import Target, match, resolve
from nebula.errors import ConflictError, NebulaError, NotFoundError, UsageError

from .conftest import Cli, InProcess

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


def test_lists_of_ids(connect: InProcess) -> None:
    found, missing = resolve(connect.engine, "vm", ["1,3..4,99", "2"])
    assert [target.ref for target in found] == ["1", "3", "4", "2"]
    assert [word for word, _ in missing] == ["99"]
    with pytest.raises(UsageError, match="no list of ids"):
        resolve(connect.engine, "vm", ["1,,2"])


def test_what_is_gone_can_be_looked_at_and_nothing_else(cli: Cli) -> None:
    number = cli("vm", "create", "brief", "--image", "linux", "--memory", "64M", "--hold", "-q").out.strip()
    assert cli("vm", "terminate", "brief").status == 0
    assert "DONE" in cli("vm", "show", number).out
    assert "DONE" in cli("vm", "describe", "brief").out
    assert cli("vm", "wait", number, "DONE").status == 0
    assert cli("vm", "poweroff", number) == (
        5, "", f"error: VM brief ({number}) is gone for good\nhint: nebula vm show {number}\n"
    )  # fmt: skip
    assert cli("vm", "poweroff", "brief").status == 3
