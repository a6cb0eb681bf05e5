"""Which phases scripts/test has, and what it says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from devkit.environment import fingerprint
from devkit.phase import Outcome, Phase
from devkit.testing import PARTS, phases, report

TOOLS = Path("/tools")


def test_quick_phases_come_first_and_extra_words_reach_pytest() -> None:
    found = phases(PARTS, TOOLS, ["-x"])
    assert [phase.name for phase in found] == ["ruff", "format", "imports", "mypy", "unit", "databases", "build", "lab"]
    assert all(phase.argv[-1] == "-x" for phase in found if "pytest" in phase.argv)


def test_all_phases_together_stay_within_half_an_hour() -> None:
    assert sum(phase.seconds for phase in phases(PARTS, TOOLS, [])) <= 30 * 60


def test_one_failure_fails_all_and_pytests_closing_line_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    good = Outcome(Phase("unit", ["python", "-m", "pytest"], 60), 0, 1.0, ["x", "8 passed in 1s"])
    bad = Outcome(Phase("ruff", ["ruff"], 60), 1, 1.0, [])
    assert report([bad, good]) == 1
    assert report([good]) == 0
    said = capsys.readouterr().out
    assert "8 passed in 1s" in said
    assert "failed: ruff" in said


def test_another_requirement_makes_another_environment(tmp_path: Path) -> None:
    page = '[project]\ndependencies = ["{}"]\n[project.optional-dependencies]\n[project.scripts]\n'
    files = [tmp_path / name for name in ("one", "two", "three")]
    for path, wanted in zip(files, ["a", "b", "a"], strict=True):
        path.write_text(page.format(wanted))
    first, second, third = map(fingerprint, files)
    assert first == third != second
