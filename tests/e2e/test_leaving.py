"""Guests that are suspended, stopped, undeployed and marked for another host, proven from inside."""

from __future__ import annotations

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import assert_sound, look
from tests.e2e.test_main_job import assert_left_nothing, create, other
from tests.e2e.test_snapshots import held
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def assert_goes_on(address: str, before: dict[str, str], what: str) -> None:
    """The guest is the same one: its counter went on from where it was, without a boot."""
    eventually(lambda: int(guest_facts(address).get("counter", 0)) > int(before["counter"]), what)
    assert guest_facts(address)["boot-id"] == before["boot-id"], f"{what}: it was started anew"


@pytest.mark.parametrize("image", ["own", "common"])
def test_a_guest_sleeps_leaves_and_comes_back(cluster: Program, lab: LabHandle, image: str) -> None:
    address = create(cluster, "web", image, "--host", "h1")
    fetch(address, "/cgi-bin/keep?a-word")
    vm, before = cluster.vm("web"), guest_facts(address)
    host, domain = str(vm["host"]), f"one-{vm['id']}"

    cluster.out("vm", "suspend", "web")
    assert cluster.vm("web")["state"] == "SUSPENDED"
    assert fetch(address, seconds=1.0) is None
    assert "saved" in lab.exec(host, "virsh", "list", "--all", "--managed-save")
    assert (look(lab, host).of("tap"), look(lab, host).of("runs")) == (set(), set())
    lab.damage(host, "libvirtd")
    lab.mend(host, "libvirtd")
    assert cluster.vm("web")["state"] == "SUSPENDED", "a sleeper outlives its libvirtd"
    cluster.out("vm", "resume", "web")
    assert_goes_on(address, before, "the guest after its sleep")
    assert_sound(cluster, lab)

    before = guest_facts(address)
    cluster.out("vm", "stop", "web")
    vm = cluster.vm("web")
    assert (vm["state"], vm["host"], vm["disks_on"]) == ("STOPPED", None, host if image == "own" else "shared storage")
    assert look(lab, host).of("domain") == set()
    cluster.out("vm", "deploy", "web", "--host", other(host))
    assert cluster.vm("web")["host"] == other(host)
    assert_goes_on(address, before, "the guest on its other host")
    assert_sound(cluster, lab)

    before = guest_facts(address)
    cluster.out("vm", "suspend", "web")
    cluster.out("vm", "stop", "web")
    assert cluster.state("web") == "STOPPED"
    cluster.out("vm", "resume", "web")
    assert_goes_on(address, before, "the guest after both")

    before, here = guest_facts(address), other(str(cluster.vm("web")["host"]))
    cluster.out("host", "disable", here)
    cluster.out("vm", "resched", "web")
    assert cluster.vm("web")["resched"]
    cluster.out("vm", "unresched", "web")
    assert not cluster.vm("web")["resched"]
    cluster.out("host", "enable", here)
    cluster.out("vm", "resched", "web")
    eventually(lambda: cluster.vm("web")["host"] == here and cluster.state("web") == "RUNNING", "the scheduler to move it")
    assert_goes_on(address, before, "the guest that was marked")

    cluster.out("vm", "undeploy", "web")
    assert cluster.state("web") == "UNDEPLOYED"
    assert domain not in lab.exec(here, "virsh", "list", "--all", "--name")
    cluster.out("vm", "deploy", "web", "--host", other(here))
    assert "a-word" in held(cluster, lab), "its disk came along"
    if image == "own":
        eventually(lambda: "a-word" in guest_facts(address).get("kept", ""), "the guest after it was undeployed")
        assert guest_facts(address)["boot-id"] != before["boot-id"]
    assert_sound(cluster, lab)

    cluster.out("vm", "stop", "web")
    cluster.out("vm", "terminate", "web")
    assert_left_nothing(lab, vm["id"])
