"""vm explain: every test that a host fails, in numbers, and what would make it pass."""

from __future__ import annotations

from typing import Any

from nebula.engine.scheduler.explain import explain
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView
from tests.support.sim import CALL, Sim, template


def host(number: int, memory: int, cpu: int = 800, **rest: Any) -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state=rest.pop("state", "MONITORED"), cpu_free=cpu, memory_free=memory,
        vms=0, cpu_max=800, memory_max=8192, cpu_total=800, memory_total=8192, **rest,
    )  # fmt: skip


def test_every_test_is_named_and_what_would_help() -> None:
    vm = VmView(id=7, name="web", cpu=400, memory=4096)
    hosts = (host(1, 3072, 300), host(2, 1024), host(3, 8192, state="DISABLED"), host(4, 2048, state="ERROR", error="no route"))
    found = explain(ClusterSnapshot(hosts=hosts, pending=(vm,)), vm)
    assert [verdict.fits for verdict in found.hosts] == [False] * 4
    assert found.hosts[0].why == ["short of memory by 1024 MiB (3072 MiB free)", "short of CPU by 1 cores (3 free)"]
    assert found.hosts[0].mend == [
        "free 1024 MiB on h1, or lower MEMORY to 3072 MiB, "
        "or overcommit memory of h1 by 13 %: nebula host update h1 --reserved-memory -13%",
        "free 1 cores on h1, or lower CPU to 3, or overcommit CPU of h1 by 13 %: nebula host update h1 --reserved-cpu -13%",
    ]
    assert found.mend[0] == "h3: nebula host enable h3"
    assert found.mend[1].startswith("h2: free 3072 MiB on h2, or lower MEMORY to 1024 MiB, or overcommit memory of h2 by 38 %")
    assert found.mend[2].startswith("h1: free 1024 MiB on h1, or ")


def test_overcommitting_as_told_makes_it_fit(sim: Sim) -> None:
    for name in ("h1", "h2"):
        sim.engine.hosts.disable(name, CALL)
    sim.add_vm("first", MEMORY=60000)
    sim.engine.vms.create(template("second", MEMORY=9999), CALL)
    sim.settle()
    mend = sim.engine.vms.explain("second").body["mend"]
    assert sim.engine.vms.describe("second").body["waiting"]["mend"] == mend
    [line] = [line for line in mend if line.startswith("h3: ")]
    share = line.rsplit("--reserved-memory ", 1)[1]
    sim.engine.hosts.update("h3", {"reserved_memory": share}, CALL)
    sim.await_state("second", "RUNNING")


def test_lowering_as_told_makes_it_fit(sim: Sim) -> None:
    for name in ("h1", "h2"):
        sim.engine.hosts.disable(name, CALL)
    sim.add_vm("first", MEMORY=60000)
    sim.engine.vms.create(template("second", MEMORY=9999), CALL)
    sim.settle()
    line = next(line for line in sim.engine.vms.explain("second").body["mend"] if line.startswith("h3: "))
    lowered = line.split("lower MEMORY to ", 1)[1].split(" MiB", 1)[0]
    sim.add_vm("third", MEMORY=int(lowered))
    assert sim.state("third") == "RUNNING"


def test_a_vm_that_runs_is_explained_too(sim: Sim) -> None:
    sim.add_vm("one", SCHED_REQUIREMENTS="ID != 2", MEMORY=40000)
    sim.add_vm("two", HOST="h3", MEMORY=40000)
    where = sim.where("one")
    body = sim.engine.vms.explain("one").body
    hosts = {item["host"]: item for item in body["hosts"]}
    assert where == "h1"
    assert body["reason"].startswith("striping")
    assert hosts["h1"]["here"]
    assert hosts["h1"]["fits"]
    assert hosts["h2"]["why"] == ["SCHED_REQUIREMENTS: ID != 2 is false: 2"]
    assert hosts["h3"]["why"][0].startswith("short of memory by ")
    sim.engine.clusters.create("far", CALL)
    sim.engine.hosts.add({"name": "f1", "driver": "sim", "cluster": "far"}, CALL)
    sim.settle()
    far = next(item for item in sim.engine.vms.explain("one").body["hosts"] if item["host"] == "f1")
    assert "a VM moves within its cluster" in far["why"][0]
