"""Errors and exit statuses as the shell sees them."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from nebula.cli import entry, report
from nebula.cli.context import Context
from nebula.cli.options import GlobalOptions
from nebula.errors import NebulaError, all_errors

from .conftest import InProcess


class Broken:
    """No way to any engine."""

    def __init__(self, problem: BaseException) -> None:
        self.problem = problem

    def __getattr__(self, name: str) -> object:
        raise self.problem


def run(problem: BaseException, *words: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run a line without an engine."""
    out, err = io.StringIO(), io.StringIO()
    status = entry.run(
        words,
        lambda options: Context(options, Broken(problem), out=out, err=err, environ=environ or {}),  # type: ignore[arg-type]
    )
    return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("cls", [cls for _, cls in sorted(all_errors().items())])
def test_every_error_has_its_status_and_three_lines(cls: type[NebulaError]) -> None:
    problem = cls.__new__(cls)
    NebulaError.__init__(problem, "it failed", cause="the tool's\nwords", hint="nebula doctor")
    status, out, err = run(problem, "vm", "list")
    assert (status, out) == (cls.exit_status, "")
    assert err.splitlines() == ["error: it failed", "cause: the tool's words", "hint: nebula doctor"]


def test_a_fault_of_our_own_is_one_error_and_a_traceback_only_with_debug() -> None:
    status, out, err = run(ZeroDivisionError("oops"), "vm", "list")
    assert (status, out) == (1, "")
    assert "ZeroDivisionError: oops" in err
    assert "nebula support" in err
    assert "Traceback" not in err
    assert "Traceback" in run(ZeroDivisionError("oops"), "vm", "list", "--debug")[2]


def test_ctrl_c_is_130() -> None:
    assert run(KeyboardInterrupt(), "vm", "list")[0] == 130


@pytest.mark.parametrize(
    ("color", "environ", "wanted"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour(color: str, environ: dict[str, str], wanted: bool) -> None:
    _, _, err = run(NebulaError("no"), "vm", "list", "--color", color, environ=environ)
    assert ("\x1b[" in err) is wanted


def test_an_error_names_the_object_unless_it_does_already(connect: InProcess) -> None:
    err = io.StringIO()
    context = Context(GlobalOptions(), connect, err=err, environ={})
    report.error(context, NebulaError("the disk is full"), of="web")
    report.error(context, NebulaError("VM web is PENDING"), of="web")
    assert err.getvalue() == "error: web: the disk is full\nerror: VM web is PENDING\n"


def test_a_marked_place_stays_under_what_it_marks(connect: InProcess) -> None:
    err = io.StringIO()
    context = Context(GlobalOptions(), connect, err=err, environ={})
    report.error(context, NebulaError("no", cause="ID ~ 1\n   ^"))
    report.error(context, NebulaError("no", cause="one\ntwo\n ^"))
    report.error(context, NebulaError("no", cause="\x1b[1m~\n ^"))
    lines = err.getvalue().splitlines()
    assert lines[1:3] == ["cause: ID ~ 1", "          ^"]
    assert lines[4] == "cause: one two  ^"
    assert lines[6:] == ["cause: �[1m~", "        ^"]


def test_a_reader_that_leaves_is_no_error() -> None:
    program = [sys.executable, "-m", "nebula", "completion", "bash"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=".") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) in {0, 141}
