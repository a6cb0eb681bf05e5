"""Engines are killed at random points, one after another, while eight clients work: nobody's answer is lost, nothing is done
twice, and what is left is sound."""

from __future__ import annotations

import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Accepted
from nebula.engine.local.engine import read_only
from nebula.engine.store.rows import JobRow, VmRow
from nebula.errors import CapacityError, ConflictError, NotFoundError, WrongStateError
from nebula.rpc.client import RemoteEngine
from tests.crash.cases import CASES
from tests.crash.conftest import Homes
from tests.crash.world import CALL, PATIENCE, assert_sound, client, owner, served, template
from tests.support.sim import until

CLIENTS, TASKS, KILLS = 8, 6, 5
VERBS = ("poweroff", "resume", "reboot", "migrate", "migrate_live", "suspend", "stop", "undeploy", "disk", "terminate")
NOT_NOW = (WrongStateError, ConflictError, CapacityError, NotFoundError)
"""Refusals that are right, depending on what the others did meanwhile."""


def work(engine: RemoteEngine, number: int, seed: int) -> list[tuple[str, Accepted]]:
    """A client's day: VMs come, change and go. Each verb with its answer."""
    chance = random.Random(f"{seed}/{number}")
    answers = []
    for task in range(TASKS):
        name = f"c{number}-{task}"
        answers.append(("create", engine.vms.create(template(name), CALL)))
        for verb in chance.choices(VERBS, k=3):
            until(lambda: _at_rest(engine, name), f"{name} at rest", PATIENCE)  # noqa: B023
            try:
                answers.append((verb, _do(engine, verb, name, hard=chance.random() < 0.5)))
            except NOT_NOW:
                continue
    return answers


def _at_rest(engine: RemoteEngine, name: str) -> bool:
    try:
        shown = engine.vms.show(name).body
    except NotFoundError:
        return True  # it was terminated
    return shown["state"] != "PENDING" and not shown["job"]


def _do(engine: RemoteEngine, verb: str, name: str, *, hard: bool) -> Accepted:
    if verb.startswith("migrate"):
        return engine.vms.migrate(name, "", CALL, live=verb == "migrate_live")
    if verb == "disk":
        return engine.vms.disk_attach(name, {"SIZE": 8}, CALL)
    if verb in {"resume", "suspend", "stop"}:
        plain: Accepted = getattr(engine.vms, verb)(name, CALL)
        return plain
    accepted: Accepted = getattr(engine.vms, verb)(name, CALL, hard=hard)
    return accepted


@pytest.mark.parametrize("seed", range(4))
def test_killed_under_load(homes: Homes, tmp_path: Path, place: Path, seed: int) -> None:
    home = homes(CASES["deploy"], tmp_path / "home")
    chance = random.Random(seed)
    caller = client(place)
    with ThreadPoolExecutor(CLIENTS) as pool:
        days = [pool.submit(work, caller, number, seed) for number in range(CLIENTS)]
        for _ in range(KILLS):
            world = SimWorld(home / "sim.db")
            world.faults.kill("*", "*", "before", after=chance.randrange(10, 150))
            world.close()
            with owner(home, place) as process:
                process.join(PATIENCE)
                assert process.exitcode == -signal.SIGKILL
        with served(home, place):
            answers = [answer for day in days for answer in day.result(4 * PATIENCE)]
    caller.close()
    assert_sound(home)
    _assert_all_is_there(home, answers)


def _assert_all_is_there(home: Path, answers: list[tuple[str, Accepted]]) -> None:
    """One VM for each that was answered, and no other; every job that was answered has ended, most of them well."""
    used = read_only(home)
    try:
        read = used.services.store.read()
        made = sorted((row.id, row.name) for row in read.select(VmRow))
        jobs = {row.id: row.state for row in read.select(JobRow)}
    finally:
        used.close()
    assert made == sorted((answer.id, answer.name) for verb, answer in answers if verb == "create")
    assert len({name for _, name in made}) == CLIENTS * TASKS
    ends = [jobs[answer.job_id] for _, answer in answers if answer.job_id]
    assert set(ends) <= {"done", "failed"}
    assert ends.count("failed") < ends.count("done")
