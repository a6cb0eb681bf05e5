"""The engine dies in the middle of an apply; the same command goes on from there and makes everything as the files say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.crash.world import When, assert_sound

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


def nebula(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nebula", *words],
        env={**os.environ, "NEBULA_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        input="",
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("operation", POINTS)
def test_the_same_command_goes_on_from_there(tmp_path: Path, operation: str, when: When) -> None:
    home, file = tmp_path / "home", tmp_path / "lab.yaml"
    file.write_text(DOCUMENTS.split("---\nkind: datastore", maxsplit=1)[0])
    assert nebula(home, "apply", "-f", str(file)).returncode == 0
    file.write_text(DOCUMENTS)
    world = SimWorld(home / "sim.db")
    world.faults.kill("*", operation, when)
    world.close()
    assert nebula(home, "apply", "-f", str(file)).returncode == -signal.SIGKILL
    again = nebula(home, "apply", "-f", str(file))
    assert again.returncode == 0, again.stderr
    diff = nebula(home, "apply", "-f", str(file), "--diff")
    assert (diff.returncode, diff.stdout) == (0, "")
    assert assert_sound(home) == {"one": "RUNNING", "two": "RUNNING"}
    pruned = nebula(home, "apply", "-f", str(file), "--prune", "--yes")
    assert (pruned.returncode, pruned.stderr) == (0, "nothing to change: 7 as they should be\n")
