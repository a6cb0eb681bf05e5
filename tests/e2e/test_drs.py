"""DRS on real hosts with real load: a busy guest is moved away, once, and runs on; by hand it is only recommended."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import create
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SETTINGS = (
    "policy=striping", "interval=10s", "patience=2", "weights.memory=0", "tolerance.cpu=0.06", "budget_share=1",
    "coverage=0.5", "predictive=no",
)  # fmt: skip
BURN_SECONDS = 300


def drs_jobs(cluster: Program, vms: Collection[int]) -> list[dict[str, Any]]:
    """Migrations of these VMs that DRS filed."""
    jobs = cluster.json("job", "list", "kind=vm.migrate-live", "actor=drs", "-c", "target_id,state", "-f", "json")
    return [job for job in jobs if job["target_id"] in vms]


def proposed(cluster: Program) -> list[dict[str, Any]]:
    """What DRS would move now."""
    return list(cluster.json("drs", "plan", "default", "--dry-run", "-f", "json")["moves"])


def test_a_busy_guest_is_moved_away_once_and_runs_on(cluster: Program, lab: LabHandle) -> None:
    addresses = {name: create(cluster, name, "common", "--host", "h1", "--cpu", "0.2") for name in ("calm", "busy", "hasty")}
    boots = {name: guest_facts(address)["boot-id"] for name, address in addresses.items()}
    ids = {cluster.vm(name)["id"] for name in addresses}
    cluster.out("drs", "set", "default", "mode=manual", *SETTINGS)
    for name in ("busy", "hasty"):
        assert "burning" in (fetch(addresses[name], f"/cgi-bin/burn?{BURN_SECONDS}") or "")
    eventually(lambda: bool(proposed(cluster)), "a plan for the load that is measured", seconds=120)

    plan = cluster.json("drs", "plan", "default", "-f", "json")
    assert [move["source"] for move in plan["moves"]] == ["h1"]
    assert "cpu of h1" in plan["moves"][0]["reason"]
    time.sleep(15)
    assert drs_jobs(cluster, ids) == [], "in manual mode it only recommends"
    assert {cluster.vm(name)["host"] for name in addresses} == {"h1"}

    cluster.out("drs", "set", "default", "mode=full")
    eventually(lambda: any(job["state"] == "done" for job in drs_jobs(cluster, ids)), "a migration by DRS", seconds=90)
    hosts = {name: cluster.vm(name)["host"] for name in ("busy", "hasty")}
    assert set(hosts.values()) == {"h1", "h2"}, "each host has one of the two that work"
    moved = next(name for name, host in hosts.items() if host == "h2")
    after = guest_facts(addresses[moved])
    assert after["boot-id"] == boots[moved], "it was started anew"

    time.sleep(45)
    assert len(drs_jobs(cluster, ids)) == 1, "with a fixed load it moves nothing more"
    assert int(guest_facts(addresses[moved])["counter"]) > int(after["counter"])
    assert "DRS: cpu of h1" in cluster.out("vm", "history", moved)
    assert f"one-{cluster.vm(moved)['id']}" in lab.exec("h2", "virsh", "list", "--name")
    cluster.out("drs", "set", "default", "mode=manual")
