"""DRS on real hosts with what is known of former days: a guest moves before its hour comes, once, and runs on."""

from __future__ import annotations

import time
from collections.abc import Collection

import pytest

from nebula.clock import SystemClock
from nebula.engine.store.database import parse_url
from nebula.engine.store.store import Store
from tests.e2e.program import Program
from tests.e2e.test_drs import drs_jobs, proposed
from tests.e2e.test_main_job import create
from tests.lab.handle import LabHandle, eventually, guest_facts
from tests.support.days import daily, keep

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SETTINGS = (
    "policy=load-aware", "interval=10s", "patience=2", "budget_share=1", "coverage=0.9", "predictive=yes",
    "weights.cpu=1", "weights.memory=0.5", "tolerance.cpu=0.025", "ceiling=0.8",
)  # fmt: skip
SHARE, MEMORY = 0.6, 512.0
"""Of a host's CPU that each uses in its hour; MiB that each is said to use, more than it does: both cost alike to move."""


def remember(cluster: Program, vms: Collection[int], hours: float) -> None:
    """All are busy for an hour a day, which comes again so soon; written while no engine runs."""
    (host,) = cluster.json("host", "list", "name=h1", "-c", "cpu_total", "-f", "json")
    store = Store(parse_url("", cluster.home), SystemClock())
    try:
        keep(store, vms, daily(hours, SHARE * 100 * float(host["cpu_total"])), memory=MEMORY)
    finally:
        store.close()


def test_a_guest_moves_before_its_hour(alone: Program, lab: LabHandle) -> None:
    addresses = {name: create(alone, name, "common", "--host", "h1", "--cpu", "0.2") for name in ("one", "two")}
    ids = {alone.vm(name)["id"] for name in addresses}
    alone.out("drs", "set", "default", "mode=manual", *SETTINGS)
    remember(alone, ids, hours=5)
    assert proposed(alone) == [], "their hour is far away"

    remember(alone, ids, hours=0.25)
    (first,) = proposed(alone)
    assert (first["source"], first["target"]) == ("h1", "h2")
    assert first["reason"].startswith("cpu of h1 1"), "more than all that there is"

    before = {name: guest_facts(address) for name, address in addresses.items()}
    alone.start_daemon()
    alone.out("drs", "set", "default", "mode=full")
    eventually(lambda: any(job["state"] == "done" for job in drs_jobs(alone, ids)), "a migration by DRS", seconds=90)
    hosts = {name: alone.vm(name)["host"] for name in addresses}
    assert set(hosts.values()) == {"h1", "h2"}, "each host has one of them"
    name = next(name for name, host in hosts.items() if host == "h2")
    moved = guest_facts(addresses[name])
    assert moved["boot-id"] == before[name]["boot-id"], "it was started anew"
    assert f"one-{alone.vm(name)['id']}" in lab.exec("h2", "virsh", "list", "--name")

    time.sleep(25)
    assert len(drs_jobs(alone, ids)) == 1, "nothing more helps"
    assert int(guest_facts(addresses[name])["counter"]) > int(moved["counter"]) > int(before[name]["counter"])
    alone.out("drs", "set", "default", "mode=manual")
