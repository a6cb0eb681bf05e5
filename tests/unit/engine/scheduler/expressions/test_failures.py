"""What cannot be read, or can never mean anything: where, what was expected, and what to do."""

from __future__ import annotations

import pytest

from nebula.engine.scheduler.expressions import HOST, NETWORK, check_rank, check_requirement
from nebula.errors import UsageError


def refused(text: str, *, ranks: bool = False, known: tuple[str, ...] = ("SSD", "GPU/MODEL")) -> UsageError:
    check, what = (check_rank, "SCHED_RANK") if ranks else (check_requirement, "SCHED_REQUIREMENTS")
    with pytest.raises(UsageError) as caught:
        check(text, HOST, what, lambda: known)
    return caught.value


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("FREE_MEMORY >", 14, "expected a number or a text, got the end"),
        ("FREE_MEMORY", 12, "expected = != > < >= <= @>, got the end"),
        ("> 4", 1, "expected the name of an attribute, got '>'"),
        ("4 < FREE_MEMORY", 1, "expected the name of an attribute, got '4'"),
        ("ARCH == x86_64", 7, "== is written ="),
        ("ID = 1 && ID = 2", 9, "&& is written &"),
        ("ID = 1 || ID = 2", 9, "|| is written |"),
        ("ID = 1 ID = 2", 8, "expected &, | or the end, got 'ID'"),
        ("NAME = host-1", 12, "expected &, | or the end, got '-'"),
        ("(ID = 1", 8, "expected ')', got the end"),
        ("ID = 1)", 7, "expected &, | or the end, got ')'"),
        ("NAME = 'a'", 8, '"\'" means nothing here'),
        ('NAME = "a', 8, "'\"' means nothing here"),
        ("NAME = 7up", 8, "this is neither a name nor a number"),
        ("ID = 1e5", 6, "this is neither a name nor a number"),
        ("NAME > b", 8, "> compares with a number only"),
        ("FREE_CPU > USED_CPU", 12, "> compares with a number only"),
        ("ID = 1 & SDD = YES", 10, "no host has an attribute SDD"),
        ("ID = 1 & pin_policy = a", 10, "no host has an attribute pin_policy"),
        ("PIN_POLICY = PINNED", 1, "Nebula does not tell PIN_POLICY of a host, and none has it set"),
        ("NAME > 5", 1, "NAME is text: > is always false"),
        ("CURRENT_VMS @> 5", 1, "CURRENT_VMS is compared by = and != with a VM's id"),
        ("CURRENT_VMS = web", 1, "CURRENT_VMS is compared by = and != with a VM's id"),
        ("RUNNING_VMS > 4G", 1, "RUNNING_VMS is no size: write a plain number"),
        ("SSD > 4G", 1, "SSD is no size: write a plain number"),
        ("!" * 33 + "ID = 1", 33, "more than 32 levels deep"),
        ("(" * 400, 33, "more than 32 levels deep"),
        ("ID = 1" + " & ID = 1" * 400, 0, ""),
        ("ID = 1" + "&ID=1" * 512, 0, "the expression has too many parts"),
        ("ID = " + "9" * 40, 6, "this is neither a name nor a number"),
        ("ID = é", 6, "this is neither a name nor a number"),
    ],
)
def test_requirements(text: str, at: int, problem: str) -> None:
    if not problem:
        check_requirement(text, HOST, "SCHED_REQUIREMENTS", tuple)
        return
    error = refused(text)
    assert error.message.startswith(f"SCHED_REQUIREMENTS: {problem} (character ")
    assert not at or error.message.endswith(f"(character {at})")
    assert error.hint
    shown, caret = error.cause.split("\n")
    assert caret.strip() == "^"
    assert not at or at > len(text) or shown[len(caret) - 1] == text[at - 1]


@pytest.mark.parametrize(
    ("text", "at", "problem"),
    [
        ("1 +", 4, "expected a number or the name of an attribute, got the end"),
        ("1 2", 3, "expected + - * / or the end, got '2'"),
        ("FREE_CPU > 2", 10, "expected + - * / or the end, got '>'"),
        ("1 / 0", 5, "division by zero"),
        ("1 / 0.0", 5, "division by zero"),
        ("2G", 1, "a rank takes plain numbers"),
        ("NAME", 1, "NAME is no number"),
        ("FREE_MEMRY", 1, "no host has an attribute FREE_MEMRY"),
        ("-" * 40 + "1", 33, "more than 32 levels deep"),
        ("(1", 3, "expected ')', got the end"),
        ('""', 1, 'expected a number or the name of an attribute, got ""'),
    ],
)
def test_ranks(text: str, at: int, problem: str) -> None:
    error = refused(text, ranks=True)
    assert error.message == f"SCHED_RANK: {problem} (character {at})"


def test_too_long_says_how_long() -> None:
    error = refused("x" * 5000)
    assert (error.message, error.cause) == ("SCHED_REQUIREMENTS: the expression is too long", "5000 characters, at most 4096")


def test_a_close_name_is_offered() -> None:
    assert refused("FREE_MEMRY > 1").hint.startswith("did you mean FREE_MEMORY")
    assert refused("ssd = YES").hint == "did you mean SSD?"
    assert refused("WHAT_IS_THIS = 1").hint == "nebula host update HOST --set WHAT_IS_THIS=VALUE"


def test_a_long_text_is_shown_around_the_place() -> None:
    error = refused("ID = 1 & " * 50 + "ID ~ 2 & " + "ID = 1 & " * 50)
    shown, caret = error.cause.split("\n")
    assert shown[len(caret) - 1] == "~"
    assert len(shown) < 80
    assert (shown[0], shown[-1]) == ("…", "…")


def test_what_people_set_is_known() -> None:
    text, asked = 'SSD = YES & "GPU/MODEL" = "A*"', []

    def known(*names: str) -> tuple[str, ...]:
        asked.append(names)
        return names

    check_requirement(text, HOST, "SCHED_REQUIREMENTS", lambda: known("SSD", "GPU/MODEL"))
    check_rank("- USED_LEASES + PRIORITY", NETWORK, "SCHED_RANK", lambda: known("PRIORITY"))
    assert asked == [("SSD", "GPU/MODEL"), ("SSD", "GPU/MODEL"), ("PRIORITY",)]
    assert "GPU/MODEL" in refused(text, known=("SSD",)).message + refused(text, known=("SSD",)).cause


def test_names_are_asked_for_only_where_needed() -> None:
    asked = []

    def known() -> tuple[str, ...]:
        asked.append("names")
        return ("SSD",)

    check_requirement("FREE_MEMORY > 4G & ID = 1", HOST, "SCHED_REQUIREMENTS", known)
    assert asked == []
    check_requirement("FREE_MEMORY > 4G & SSD = YES", HOST, "SCHED_REQUIREMENTS", known)
    assert asked == ["names"]
