"""A cluster with a VM whose guest has a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contextcd import cd_of, files_of
from tests.support.sim import CALL, Sim, sim_engine


class Guest:
    """What a guest knows: what is on its CD, and nothing else."""

    def __init__(self, sim: Sim, name: str) -> None:
        vm = sim.vm(name)
        script, self.token = files_of(cd_of(sim.world, sim.where(name), vm.uuid))
        lines = (line for line in script.splitlines() if "=" in line)
        self.told = dict(line.replace("'", "").split("=", 1) for line in lines)
        self.id = vm.id

    @property
    def headers(self) -> dict[str, str]:
        return {"X-ONEGATE-TOKEN": self.token, "X-ONEGATE-VMID": self.told["VMID"]}


@pytest.fixture(scope="session")
def gate_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("gate") / "home"
    with sim_engine(home):
        pass
    return home


@pytest.fixture
def sim(gate_home: Path, tmp_path: Path) -> Iterator[Sim]:
    with sim_engine(Path(shutil.copytree(gate_home, tmp_path / "home")), furnished=False) as made:
        made.engine.onegate.set("127.0.0.1:1", CALL)
        yield made


@pytest.fixture
def guest(sim: Sim) -> Guest:
    sim.add_vm("one", CONTEXT={"REPORT_READY": "YES"}, ROLE="web", DB_PASSWORD="swordfish")
    return Guest(sim, "one")
