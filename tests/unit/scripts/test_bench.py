"""Figures and how they are reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchkit import cli, report, suite, timing
from benchkit.errors import BenchError
from benchkit.figure import Figure
from benchkit.suite import Bench
from hypothesis import given
from hypothesis import strategies as st

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1)


@given(SAMPLES)
def test_a_quarter_lies_below_and_a_quarter_above(samples: list[float]) -> None:
    figure = Figure("x", "ms", samples)
    first, third = figure.quartiles
    assert min(samples) <= first <= third <= max(samples) or len(samples) < 3
    assert min(samples) <= figure.median <= max(samples)


def test_the_table_has_a_line_for_each_figure() -> None:
    shown = report.table([Figure("start", "ms", [1.0, 2.0, 3.0], "virsh"), Figure("x", "s", [4.0])]).splitlines()
    assert [line.split() for line in shown] == [
        ["FIGURE", "MEDIAN", "Q1", "Q3", "N", "BESIDE"],
        ["start", "2.00", "ms", "1.50", "2.50", "3", "virsh"],
        ["x", "4.00", "s", "4.00", "4.00", "1"],
    ]


def test_json_holds_the_whole_run(tmp_path: Path) -> None:
    report.write(tmp_path / "out.json", {"machine": {"cores": 2}}, {"cold": [Figure("start", "ms", [1.0])]})
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["machine"]["cores"] == 2
    assert written["suites"]["cold"][0]["median"] == 1.0


def test_commands_take_turns() -> None:
    taken = timing.interleaved({"a": ["/bin/true"], "b": ["/bin/true"]}, rounds=4)
    assert {name: len(samples) for name, samples in taken.items()} == {"a": 4, "b": 4}


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(BenchError, match="ended with 1"):
        timing.once(["/bin/false"])


def test_every_suite_can_be_loaded_and_says_what_it_is() -> None:
    assert {"cold", "fsync"} <= set(suite.names())
    assert all(suite.load(name).__doc__ for name in suite.names())


def test_an_unknown_suite_is_named() -> None:
    with pytest.raises(BenchError, match="no suite hot"):
        suite.load("hot")


def test_a_python_without_the_libraries_is_told_where_they_are() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "scripts/bench", "forecast", "--program", "/bin/true"],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"bench: {sys.executable} lacks numpy", "try: .venv/bin/python scripts/bench"]


def test_only_suites_that_measure_the_built_file_ask_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cold", "--program", "/nowhere/nebula"]) == 1
    assert "/nowhere/nebula is not there" in capsys.readouterr().err
    assert cli.main(["consolidation", "--program", "/nowhere/nebula"]) == 1
    assert "this suite needs PlanetLab's traces" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_days_that_cannot_be_simulated_are_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["small_cluster", "--days", days])
    assert "--days" in capsys.readouterr().err


def test_the_disks_latency_is_measured(tmp_path: Path) -> None:
    [figure] = suite.load("fsync").run(Bench(Path("/bin/true"), tmp_path, rounds=2, vms=1))
    assert len(figure.samples) == 10
