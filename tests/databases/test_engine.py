"""A whole engine on MariaDB and PostgreSQL: a VM's life, two owners, a server that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.values import Query
from nebula.engine.local.engine import own
from nebula.errors import ConflictError, NebulaError, OwnerError
from tests.support.databases import Server
from tests.support.sim import CALL, SETTINGS, Sim, template, until

pytestmark = pytest.mark.databases


@pytest.fixture(params=["mariadb", "postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sim(server: Server, tmp_path: Path) -> Iterator[Sim]:
    with server.fresh() as url:
        made = Sim(tmp_path / "home", url=url)
        try:
            made.furnish()
            yield made
        finally:
            made.close()


def test_the_whole_life(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.engine.vms.migrate("one", "h2", CALL, live=True)
    sim.settle()
    sim.engine.vms.migrate("one", "", CALL)
    sim.settle()
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"
    assert sim.engine.vms.list(Query(filters=(("state", "=", "RUNNING"), ("name", "=", "o*"), ("memory", ">=", "100")))).rows
    assert sim.engine.hosts.list(Query(columns=("memory_allocated", "vms"), sort=("-vms",))).rows[0] == [128, 1]
    assert sim.engine.system.status().counts["vm"] == 1
    assert sim.engine.vms.describe("one").body["allowed"]
    sim.engine.networks.reserve("lan", "part", 4, CALL)
    sim.engine.networks.hold("lan", "10.9.0.30", CALL)
    with pytest.raises(ConflictError):
        sim.engine.networks.hold("lan", "10.9.0.30", CALL)
    sim.restart()
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.assert_sound()
    sim.engine.system.support(str(sim.home / "bundle.tar.gz"))


def test_many_vms_at_once(sim: Sim) -> None:
    for number in range(15):
        sim.engine.vms.create(template(f"vm{number}"), CALL)
    sim.settle()
    assert {sim.state(f"vm{number}") for number in range(15)} == {"RUNNING"}
    sim.engine.hosts.evacuate("h1", CALL)
    sim.settle()
    sim.assert_sound()


def test_an_owner_that_was_replaced_can_change_nothing(sim: Sim, tmp_path: Path) -> None:
    other = own(tmp_path / "standby", "test", url=sim._url, settings=SETTINGS)
    assert other is not None
    try:
        with pytest.raises(OwnerError):
            sim.engine.clusters.create("mine", CALL)
        other.clusters.create("theirs", CALL)
        assert [row[0] for row in other.clusters.list(Query(columns=("name",))).rows] == ["default", "theirs"]
    finally:
        other.close()


def test_a_server_that_comes_back(sim: Sim, server: Server) -> None:
    sim.engine.clusters.create("before", CALL)
    server.stop()
    with pytest.raises(NebulaError):
        sim.engine.clusters.create("lost", CALL)
    with pytest.raises(NebulaError):
        sim.engine.clusters.list(Query())
    server.start()
    sim.engine.clusters.create("after", CALL)
    assert [row[0] for row in sim.engine.clusters.list(Query(columns=("name",))).rows] == ["default", "before", "after"]
    sim.add_vm("one")
    until(lambda: sim.state("one") == "RUNNING", "a running VM")
