"""The owner is killed when the change is durable and before its client has the answer: the client asks the next owner, with
the same key, and nothing is done twice."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.cases import CASES
from tests.crash.conftest import Homes
from tests.crash.world import PATIENCE, StatementKill, When, assert_sound, client, deed, kinds_of_jobs, owner, served

FORWARD = {name: case for name, case in CASES.items() if not case.fails}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", FORWARD)
def test_what_was_asked_for_is_done_once(homes: Homes, tmp_path: Path, place: Path, name: str, when: When) -> None:
    """`before`: the change was made but not committed, so the next owner makes it anew."""
    case = FORWARD[name]
    home = homes(case, tmp_path / "home")
    before = kinds_of_jobs(home).count(case.kind)
    caller = client(place)
    killed = StatementKill("COMMIT", 1, when, since='INSERT INTO "request"')
    with ThreadPoolExecutor(1) as pool, owner(home, place, killed) as process:
        answer = pool.submit(deed(case.verb, home), caller)
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
        with served(home, place):
            answer.result(PATIENCE)
    caller.close()
    assert kinds_of_jobs(home).count(case.kind) == before + 1
    assert tuple(assert_sound(home).values()) == case.ends
