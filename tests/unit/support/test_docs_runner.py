"""The runner of the documentation's examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.docs_runner import Block, Runner, Step, blocks, matches

LINES = st.lists(st.text(alphabet="ab .*\\", min_size=1, max_size=8))


def page(body: str, home: str = "empty") -> str:
    """A page with one block."""
    return f"# Title\n\n<!-- run: {home} -->\n```console\n{body}\n```\n"


def test_a_block_is_its_commands_with_their_output() -> None:
    text = page("$ nebula vm list\nID NAME\n$ nebula vm show x  # exit 3\nno such vm")
    steps = [Step(5, "nebula vm list", 0, ["ID NAME"]), Step(7, "nebula vm show x", 3, ["no such vm"])]
    assert blocks(text) == [Block("empty", steps)]


def test_a_command_may_go_over_lines() -> None:
    [block] = blocks(page("$ nebula vm create web \\\n    --memory 1G\nweb"))
    assert block.steps == [Step(5, "nebula vm create web --memory 1G", 0, ["web"])]


def test_blocks_without_a_marker_are_not_run() -> None:
    assert blocks("```console\n$ rm -rf everything\n```\n") == []


@pytest.mark.parametrize("text", [page("no command"), page("$ nebula x", home="production")])
def test_a_block_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 5"):
        blocks(text)


@given(LINES)
def test_lines_match_themselves(lines: list[str]) -> None:
    assert matches(lines, lines)


@given(LINES, LINES, LINES)
def test_a_line_of_dots_stands_for_any_lines(before: list[str], between: list[str], after: list[str]) -> None:
    assert matches([*before, "…", *after], [*before, *between, *after])


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("0  web-1   RUNNING", "0 web-1 RUNNING", True),
        ("0 … RUNNING", "0 web-1 host-2 RUNNING", True),
        ("0 … RUNNING", "0 web-1 POWEROFF", False),
        ("a.c", "abc", False),
        ("", "more", False),
        ("less", "", False),
    ],
)
def test_what_is_the_same(expected: str, actual: str, same: bool) -> None:
    assert matches(expected.splitlines(), actual.splitlines()) == same


def test_a_page_that_is_right_has_no_differences(tmp_path: Path) -> None:
    good = tmp_path / "good.md"
    good.write_text(page("$ nebula --version\nnebula …\n$ nebula vm show ghost  # exit 3\n…"))
    assert Runner(tmp_path, tmp_path).check(good) == []


def test_a_page_that_is_wrong_says_where_and_what_came(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.md"
    wrong.write_text(page("$ nebula --version\nnebula 99\n$ ls\n$ nebula --version  # exit 5\n…"))
    first, second, third = Runner(tmp_path, tmp_path).check(wrong)
    assert first.startswith("wrong.md:5: nebula --version: exit 0 (expected 0), printed:\n    nebula ")
    assert second == "wrong.md:7: only nebula is run, not ls"
    assert third.startswith("wrong.md:8: nebula --version: exit 0 (expected 5)")


def test_the_simulated_home_has_machines(tmp_path: Path) -> None:
    simulated = tmp_path / "sim.md"
    simulated.write_text(page("$ nebula vm list\n…\n… RUNNING …\n…", home="sim"))
    assert Runner(tmp_path, tmp_path).check(simulated) == []
