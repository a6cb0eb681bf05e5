"""Phases of scripts/test."""

from __future__ import annotations

import sys

import pytest
from devkit import phase
from devkit.phase import Phase, Running, beside, run


def python(code: str, seconds: float = 60.0) -> Phase:
    """A phase that runs Python code."""
    return Phase("trial", [sys.executable, "-c", code], seconds)


def test_output_is_shown_and_its_end_kept(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = run(python("for n in range(9): print('line', n)"))
    assert (outcome.status, outcome.closing) == (0, ("line 6", "line 7", "line 8"))
    assert "line 0\nline 1\n" in capfd.readouterr().out


def test_a_failure_is_told() -> None:
    outcome = run(python("raise SystemExit(3)"))
    assert outcome.status == 3
    assert str(outcome).endswith("FAILED")


def test_there_is_nothing_to_read() -> None:
    assert run(python("import sys; assert sys.stdin.read() == ''")).status == 0


def test_an_overdue_phase_may_clean_up(capfd: pytest.CaptureFixture[str]) -> None:
    heed = "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever our caller ignores
    waits = f"{heed}try: time.sleep(600)\nexcept KeyboardInterrupt: print('cleaned up'); raise SystemExit(4)"
    outcome = run(python(waits, seconds=1.0))
    assert (outcome.status, outcome.overdue) == (4, True)
    assert "took longer than 1 s" in str(outcome)
    assert "cleaned up" in capfd.readouterr().out


def test_an_overdue_phase_ends_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phase, "GRACE_SECONDS", 0.5)
    deaf = "import signal, subprocess, sys, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; "
    outcome = run(python(f"{deaf}subprocess.Popen(['sleep', '600']); time.sleep(600)", seconds=1.0))
    assert outcome.status == -9


def test_one_beside_others_speaks_when_it_is_asked(capfd: pytest.CaptureFixture[str]) -> None:
    with beside(python("print('from aside')")) as aside:
        run(python("print('in front')"))
        assert "from aside" not in capfd.readouterr().out
        outcome = aside.outcome()
    assert (outcome.status, outcome.closing[-1]) == (0, "from aside")
    assert "from aside" in capfd.readouterr().out


def test_one_beside_others_ends_with_them() -> None:
    def interrupted() -> None:
        with beside(python("import time; time.sleep(600)")) as aside:
            started.append(aside)
            raise KeyboardInterrupt

    started: list[Running] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started[0].outcome().status != 0
