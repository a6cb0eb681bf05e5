"""Which phases scripts/test has, and what it says in the end."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from devkit import marked, memory, tested
from devkit.environment import ROOT, fingerprint
from devkit.phase import Outcome, Phase
from devkit.testing import PARTS, SLOW, outcomes_of, phases, report, variables

from tests.conftest import pytest_collection_modifyitems

TOOLS = Path("/tools")


def test_quick_phases_come_first_and_extra_words_reach_pytest() -> None:
    found = phases(PARTS, TOOLS, ["-x"])
    assert [phase.name for phase in found] == ["ruff", "format", "imports", "mypy", "unit", "databases", "build", "lab"]
    assert all(phase.argv[-1] == "-x" for phase in found if "pytest" in phase.argv)


def test_what_is_slow_is_run_by_its_name_only() -> None:
    assert SLOW not in PARTS
    (slow,) = phases([SLOW], TOOLS, [])
    (lab,) = phases(["lab"], TOOLS, [])
    assert ("slow" in slow.argv, "lab and not slow" in lab.argv) == (True, True)


def test_what_files_name_is_found_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, marker in (("deep/test_one.py", "lab"), ("test_two.py", "slow"), ("helper.py", "lab")):
        (tmp_path / name).write_text(f"pytestmark = [pytest.mark.{marker}]\n")
    assert marked.files(tmp_path, {"lab"}) == [tmp_path / "deep" / "test_one.py"]
    (phase,) = phases(["lab"], TOOLS, [])
    assert {"tests/lab/test_hosts.py", "tests/unit/drivers/hypervisor/test_contract.py"} < set(phase.argv)


def test_a_marker_that_no_file_names_is_refused(request: pytest.FixtureRequest) -> None:
    item = request.node
    pytest_collection_modifyitems([item])
    item.add_marker(next(iter(marked.AWAY)))
    item.path = Path(marked.__file__)
    with pytest.raises(pytest.UsageError, match=r"test_a_marker_that_no_file_names_is_refused has the marker"):
        pytest_collection_modifyitems([item])


def test_a_phase_that_hangs_is_ended_before_everything_is() -> None:
    whole = re.search(r"timeout --kill-after=30 (\d+) ", (ROOT / ".ci" / "run").read_text())
    assert whole
    assert sum(phase.seconds for phase in phases(PARTS, TOOLS, [])) < int(whole[1]) < 90 * 60


def test_phases_of_one_processor_share_the_machine() -> None:
    names = ("mypy", "unit", "databases", "build", "lab")
    found = [Phase(name, [sys.executable, "-c", f"print('end of {name}')"], 60) for name in names]
    ended = list(outcomes_of(found, os.environ))
    assert [outcome.phase.name for outcome in ended] == ["mypy", "build", "databases", "unit", "lab"]
    assert [outcome.closing[-1] for outcome in ended] == [f"end of {outcome.phase.name}" for outcome in ended]
    assert [outcome.phase.name for outcome in outcomes_of(found[3:], os.environ)] == ["build", "lab"]


def test_temporary_files_of_unit_tests_lie_in_memory_where_there_is_room(tmp_path: Path) -> None:
    with memory.temporary(tmp_path, 1) as more:
        made = Path(more["TMPDIR"])
        assert made.parent == tmp_path
        (made / "left").mkdir(parents=True)
    assert not made.exists()
    for place, room in ((tmp_path, 1 << 60), (tmp_path / "absent", 1)):
        with memory.temporary(place, room) as more:
            assert more == {}


def test_what_python_compiled_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in variables(TOOLS)


def test_one_failure_fails_all_and_pytests_closing_line_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    good = Outcome(Phase("unit", ["python", "-m", "pytest"], 60), 0, 1.0, ["x", "8 passed in 1s"])
    bad = Outcome(Phase("ruff", ["ruff"], 60), 1, 1.0, [])
    assert report([bad, good]) == 1
    assert report([good]) == 0
    said = capsys.readouterr().out
    assert "8 passed in 1s" in said
    assert "failed: ruff" in said


@pytest.mark.parametrize(("status", "result"), [(0, "passed"), (1, "failed")])
def test_the_slow_tier_writes_how_it_ended(tmp_path: Path, status: int, result: str) -> None:
    (tmp_path / "docs").mkdir()
    outcome = Outcome(
        Phase(SLOW, ["python", "-m", "pytest"], 60), status, 701.2, ["x", "=== 7 passed in 700.00s (0:11:40) ==="]
    )
    tested.write(tmp_path, outcome, datetime(2026, 1, 31, 12, 5, tzinfo=UTC))
    page = (tmp_path / tested.PAGE).read_text()
    for line in (
        "| run at | 2026-01-31 12:05 UTC |",
        f"| result | {result} |",
        "| pytest | 7 passed in 700.00s (0:11:40) |",
        "| took | 701 s |",
    ):
        assert line in page


def test_another_requirement_makes_another_environment(tmp_path: Path) -> None:
    page = '[project]\ndependencies = ["{}"]\n[project.optional-dependencies]\n[project.scripts]\n'
    files = [tmp_path / name for name in ("one", "two", "three")]
    for path, wanted in zip(files, ["a", "b", "a"], strict=True):
        path.write_text(page.format(wanted))
    first, second, third = map(fingerprint, files)
    assert first == third != second
