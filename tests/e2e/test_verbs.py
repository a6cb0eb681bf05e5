"""Reboots, schedules and every way out of trouble, on real hosts with a real guest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import assert_sound, assert_would_boot, look
from tests.e2e.test_main_job import assert_left_nothing, create
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def await_boot(address: str, before: str, what: str) -> dict[str, str]:
    """What the guest says after another boot."""
    eventually(lambda: guest_facts(address).get("boot-id", before) != before, what)
    return guest_facts(address)


def _order(cluster: Program, action: str, time_: str) -> str:
    """The file of a template that orders an action."""
    path = cluster.home / "order.yaml"
    path.write_text(f'memory: 64M\nsched_action:\n- {{action: {action}, time: "{time_}"}}\n', encoding="utf-8")
    return str(path)


def test_reboots_a_schedule_that_outlives_its_engine_and_a_new_life(
    cluster: Program, lab: LabHandle, guest_image: Path
) -> None:
    address = create(cluster, "web", "own")
    fetch(address, "/cgi-bin/keep?a-word")
    boot = guest_facts(address)["boot-id"]
    cluster.out("vm", "reboot", "web")
    boot = await_boot(address, boot, "the guest after a reboot")["boot-id"]

    # again and again: done once now, whatever becomes of the engine, and due again in an hour
    began = time.time()
    cluster.out("schedule", "create", "web", "reboot-hard", "now", "--hourly", "1", "--name", "often")
    facts = await_boot(address, boot, "the guest after a reboot that was scheduled")
    assert "a-word" in facts["kept"]
    boot = facts["boot-id"]
    cluster.kill_daemon()
    cluster.start_daemon()
    (often,) = cluster.json("schedule", "list", "-f", "json")
    assert (often["runs"], 3500 < often["at"] - began < 3700) == (1, True), often
    assert guest_facts(address)["boot-id"] == boot
    cluster.out("schedule", "remove", "often")

    # who owns it and may do what is nothing to the guest; what it uses is seen
    cluster.out("vm", "chown", "web", "nobody")
    cluster.out("vm", "chgrp", "web", "nogroup")
    cluster.out("vm", "chmod", "web", "640")
    cluster.out("vm", "lock", "web", "--manage")
    shown = cluster.vm("web")
    assert (shown["owner"], shown["group"], shown["mode"]) == ("nobody", "nogroup", "640")
    assert shown["lock"]["level"] == "manage"
    cluster.out("vm", "unlock", "web")
    eventually(lambda: [row["name"] for row in cluster.json("vm", "top", "-f", "json")] == ["web"], "what it uses")
    (used,) = cluster.json("vm", "top", "-f", "json")
    assert used["cpu"] > 0
    assert used["host"] == shown["host"]

    cluster.out("vm", "rename", "web", "www")
    cluster.out("template", "create", "lease", "-f", _order(cluster, "suspend", "+4"))
    cluster.out("vm", "create-chart", "www", "--template", "lease")
    cluster.kill_daemon()
    cluster.start_daemon()
    eventually(lambda: cluster.state("www") == "SUSPENDED", "what was scheduled before the engine died")
    cluster.out("vm", "resume", "www")
    eventually(lambda: guest_facts(address).get("boot-id") == boot, "the guest after its sleep")
    said = [line for line in cluster.out("event", "list", "kind=vm.state").splitlines() if '"name":"www"' in line]
    assert sum('"after":"SUSPENDED"' in line for line in said) == 1, "it was done once"

    cluster.out("vm", "recover", "www", "--recreate")
    cluster.out("vm", "wait", "www", "RUNNING", "--timeout", "2m")
    assert_would_boot(cluster, lab, "www", guest_image, "www")
    assert_sound(cluster, lab)
    number = int(cluster.vm("www")["id"])
    cluster.out("vm", "recover", "www", "--delete")
    assert cluster.state("www") == "gone"
    assert_left_nothing(lab, number)


def test_ways_out_of_trouble(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "one", "own", "--host", "h1")
    vm, boot = cluster.vm("one"), guest_facts(address)["boot-id"]
    domain = f"one-{vm['id']}"

    # a job that waits for its host is given up: the guest never noticed
    lab.damage("h1", "libvirtd")
    cluster.run("vm", "poweroff", "one", "--no-wait")
    eventually(lambda: "waiting" in cluster.out("job", "list", "-f", "csv"), "the job to wait for its host")
    cluster.out("vm", "recover", "one", "--failure")
    eventually(lambda: "waiting" not in cluster.out("job", "list", "-f", "csv"), "the job to end")
    lab.mend("h1", "libvirtd")
    eventually(lambda: cluster.state("one") == "RUNNING", "what its host says")
    assert guest_facts(address)["boot-id"] == boot

    # forgotten, it runs on, a stranger by now; it is taken over with its disks where they are
    cluster.out("vm", "recover", "one", "--delete-db")
    assert cluster.state("one") == "gone"
    assert domain in look(lab, "h1").of("runs") or domain in lab.exec("h1", "virsh", "list", "--name")
    cluster.out("vm", "adopt", "h1", domain, "again")
    assert cluster.state("again") == "RUNNING"
    assert guest_facts(address)["boot-id"] == boot, "it was started anew"
    cluster.out("vm", "terminate", "again", "--hard", "--delete-disks")
    left = lab.exec("h1", "find", "/var/lib/nebula/datastores", "-path", f"*/vms/{vm['id']}*").splitlines()
    assert all(path.endswith((f"/vms/{vm['id']}", "/context.iso")) for path in left), "its disks are gone"
    lab.exec("h1", "rm", "-r", left[0])


def test_a_person_cleared_up_or_mended_what_failed(cluster: Program, lab: LabHandle) -> None:
    cluster.out("vm", "create", "one", "--image", "common", "--memory", "128M", "--network", "lan", "--host", "h1")
    vm = cluster.vm("one")
    disks = lab.exec("h1", "find", "/srv/nebula-shared", "-type", "d", "-path", f"*/vms/{vm['id']}").strip()
    lab.exec("h1", "chattr", "+i", disks)
    failed = cluster.run("vm", "terminate", "one", "--hard")
    assert failed.returncode == 1, failed.stderr
    assert cluster.state("one") == "EPILOG_FAILURE"
    again = cluster.run("vm", "recover", "one", "--retry")
    assert (again.returncode, cluster.state("one")) == (1, "EPILOG_FAILURE"), again.stderr
    lab.exec("h1", "chattr", "-i", disks)
    lab.exec("h1", "rm", "-r", disks)
    cluster.out("vm", "recover", "one", "--success")
    assert cluster.state("one") == "gone"
    assert_left_nothing(lab, vm["id"])
    assert_sound(cluster, lab)
