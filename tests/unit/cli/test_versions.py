"""A command and an engine of different versions: both say so, nothing is changed, and the engine can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.owner import owner
from nebula.rpc import plain
from tests.support.sim import until
from tests.support.ways import PATIENCE, in_process, speak, start_program
from tests.unit.cli.conftest import Program

CONFLICT = 5
OURS = plain.PROTOCOL


@pytest.fixture(params=[(OURS + 1, OURS), (OURS, OURS + 1)], ids=["older command", "newer command"])
def daemon(request: pytest.FixtureRequest, home: Path) -> Iterator[tuple[int, int]]:
    """(protocol of the daemon that runs, protocol of commands)."""
    theirs, ours = request.param
    log = home.with_suffix(".log")
    log.touch()
    process = start_program(["--home", str(home), "--daemon"], log, theirs)
    until(lambda: owner(home).get("socket"), "a daemon", PATIENCE)
    speak(ours)
    yield theirs, ours
    speak(OURS)
    process.join(PATIENCE)
    process.kill()
    assert process.exitcode == 0, "it was stopped cleanly"


def test_both_say_so_and_the_engine_can_be_stopped(daemon: tuple[int, int], program: Program, home: Path) -> None:
    theirs, ours = daemon
    for words in (("cluster", "create", "mine"), ("vm", "show", "one"), ("job", "wait", "1"), ("status",), ("cluster", "list")):
        refused = program(*words)
        assert refused.status == CONFLICT, (words, refused)
        assert f"protocol {theirs}" in refused.err
        assert f"protocol {ours}" in refused.err
        assert "nebula daemon stop" in refused.err
    assert f"protocol {ours}" in home.with_suffix(".log").read_text()
    stopped = program("daemon", "stop")
    assert stopped.status == 0, stopped
    until(lambda: not owner(home), "the end of the daemon", PATIENCE)
    with in_process(home) as engine:
        assert engine.system.status().counts["cluster"] == 1


def test_nobody_to_stop(program: Program, home: Path) -> None:
    with in_process(home):
        pass
    assert program("daemon", "stop").status == CONFLICT
