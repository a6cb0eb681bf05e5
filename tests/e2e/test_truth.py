"""What happens behind the engine's back, or to it, is shown as what it is, and taken up again."""

from __future__ import annotations

import time

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import assert_left_nothing, create, other
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def start(cluster: Program, name: str, *options: str) -> None:
    """A guest that runs; whoever destroys it need not wait until it has booted."""
    cluster.out("vm", "create", name, "--image", "own", "--memory", "128M", "--network", "lan", *options)


def test_destroyed_behind_our_back(cluster: Program, lab: LabHandle) -> None:
    start(cluster, "web")
    vm = cluster.vm("web")
    lab.exec(vm["host"], "virsh", "destroy", f"one-{vm['id']}")
    eventually(lambda: cluster.state("web") == "POWEROFF", "POWEROFF", seconds=20)
    assert cluster.vm("web")["reason"] == "destroyed"
    lab.exec(vm["host"], "virsh", "start", f"one-{vm['id']}")
    eventually(lambda: cluster.state("web") == "RUNNING", "RUNNING", seconds=20)


def test_a_silent_host_is_unknown_never_off(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "web", "common")
    vm = cluster.vm("web")
    boot = guest_facts(address)["boot-id"]
    lab.damage(vm["host"], "network")
    eventually(lambda: cluster.state("web") == "UNKNOWN", "UNKNOWN", seconds=120)
    refused = cluster.run("vm", "resume", "web", "--no-wait")
    lab.mend(vm["host"])
    eventually(lambda: cluster.state("web") == "RUNNING", "RUNNING again", seconds=120)
    assert guest_facts(address)["boot-id"] == boot, f"it was started twice: {refused}"


def test_a_host_that_loses_power(cluster: Program, lab: LabHandle) -> None:
    for name, options in (("kept", ["--autostart"]), ("left", [])):
        start(cluster, name, *options, "--host", "h1")
    address = str(cluster.vm("kept")["addresses"][0])
    lab.damage("h1", "power")
    eventually(lambda: cluster.state("kept") == "UNKNOWN", "UNKNOWN", seconds=120)
    lab.mend("h1")
    eventually(lambda: cluster.state("left") == "POWEROFF", "POWEROFF", seconds=120)
    eventually(lambda: cluster.state("kept") == "RUNNING", "the guest that is marked autostart", seconds=120)
    eventually(lambda: "counter" in guest_facts(address), "its page")


def test_engine_killed_in_the_middle_of_a_migration(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "web", "own")
    vm = cluster.vm("web")
    boot = guest_facts(address)["boot-id"]
    target = other(vm["host"])
    job = cluster.out("vm", "migrate", "web", "--host", target, "--live", "--no-wait")
    name = f"one-{vm['id']}"
    eventually(lambda: name in lab.exec(target, "virsh", "list", "--all", "--name"), "the migration's begin", seconds=60)
    cluster.kill_daemon()
    time.sleep(0.5)
    assert guest_facts(address)["boot-id"] == boot
    cluster.start_daemon()
    cluster.out("job", "wait", job)
    assert cluster.state("web") == "RUNNING"
    assert guest_facts(address)["boot-id"] == boot
    where = [host for host in ("h1", "h2") if name in lab.exec(host, "virsh", "list", "--name")]
    assert where == [cluster.vm("web")["host"]], "it runs once, where it is shown"
    cluster.out("vm", "terminate", "web", "--hard")
    assert_left_nothing(lab, vm["id"])
