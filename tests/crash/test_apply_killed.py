"""The engine dies in the middle of an apply; the same command goes on from there and makes everything as the files say."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.crash.world import PATIENCE, When, assert_sound
from tests.support.forks import Program

DOCUMENTS = """\
kind: cluster
name: lab
attributes: {rack: 7}
---
kind: host
name: a1
driver: sim
cluster: lab
---
kind: datastore
name: disks
driver: sim
---
kind: network
name: lan
driver: sim
ranges: [{ip: 10.9.0.10-10.9.0.40}]
---
kind: image
name: base
size: 1M
datastore: disks
---
kind: vm
name: one
memory: 256M
image: base
networks: lan
---
kind: vm
name: two
memory: 256M
image: base
networks: lan
"""
POINTS = ("datastore.create_empty", "datastore.create_disk", "network.prepare", "hypervisor.start")


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def nebula(home: Path, *words: str) -> Done:
    with Program(words, {**os.environ, "NEBULA_HOME": str(home)}) as process:
        out, err = process.communicate(PATIENCE)
        return Done(process.wait(PATIENCE), out, err)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", POINTS)
def test_the_same_command_goes_on_from_there(tmp_path: Path, operation: str, when: When) -> None:
    home, file = tmp_path / "home", tmp_path / "lab.yaml"
    file.write_text(DOCUMENTS.split("---\nkind: datastore", maxsplit=1)[0])
    assert nebula(home, "apply", "-f", str(file)).status == 0
    file.write_text(DOCUMENTS)
    world = SimWorld(home / "sim.db")
    world.faults.kill("*", operation, when)
    world.close()
    assert nebula(home, "apply", "-f", str(file)).status == -signal.SIGKILL
    again = nebula(home, "apply", "-f", str(file))
    assert again.status == 0, again.err
    diff = nebula(home, "apply", "-f", str(file), "--diff")
    assert (diff.status, diff.out) == (0, "")
    assert assert_sound(home) == {"one": "RUNNING", "two": "RUNNING"}
    pruned = nebula(home, "apply", "-f", str(file), "--prune", "--yes")
    assert (pruned.status, pruned.err) == (0, "nothing to change: 7 as they should be\n")
