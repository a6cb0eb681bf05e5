"""A guest's whole life by keys alone: the dashboard in a real terminal, beside a daemon, on real hosts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, as_person
from tests.e2e.test_main_job import assert_left_nothing, other
from tests.lab.handle import LabHandle, eventually, guest_facts
from tests.support.tmux import Tmux

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def terminal(cluster: Program, lab: LabHandle, tmp_path: Path) -> Iterator[Tmux]:
    """The dashboard's list of VMs, opened by a person with the lab's key."""
    terminal = Tmux(cluster.home, tmp_path)
    terminal.start(160, 45)
    terminal.run(shlex.join(as_person(lab.root / "key")))
    terminal.shows("health")
    terminal.keys("2")
    terminal.shows("0 VMs")
    yield terminal
    terminal.end()


def test_a_guest_is_made_watched_moved_reached_and_deleted_by_keys(cluster: Program, lab: LabHandle, terminal: Tmux) -> None:
    terminal.keys("n")
    terminal.shows("vm create", "image", "network              lan")
    terminal.type("keyed")
    terminal.keys("Tab", "Tab", "Tab", "C-u")
    terminal.shows("the VM has no memory yet")
    terminal.type("128M")
    terminal.shows("$ nebula vm create keyed", "--memory 128M", "keyed: create VM keyed", "/root/.ssh/id_ed25519.pub")
    terminal.keys("Enter")
    terminal.shows("✓ $ nebula vm create keyed", " RUNNING ")
    vm = cluster.vm("keyed")
    address = str(vm["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the guest's page", seconds=150)
    boot = guest_facts(address)["boot-id"]

    terminal.keys("c")
    terminal.shows("nebula-heartbeat", "keyed")
    terminal.keys("C-]")
    terminal.shows("1 VM", "$ nebula vm console keyed")

    terminal.keys("l")
    terminal.until(lambda seen: seen.rstrip().endswith("#"), "a shell")
    terminal.type("echo at $SSH_CONNECTION on $(cat /proc/sys/kernel/hostname)")
    terminal.keys("Enter")
    terminal.until(lambda seen: f"{address} 22 on keyed" in seen.replace("\n", ""), "the guest's shell")
    terminal.type("exit")
    terminal.keys("Enter")
    terminal.shows("1 VM", "✓ $ nebula vm ssh keyed")

    target = other(str(vm["host"]))
    terminal.keys("m")
    terminal.shows("migrate keyed", "Without a pause")
    terminal.type(target)
    terminal.shows(f"$ nebula vm migrate keyed --host {target}")
    terminal.keys("Tab", "Space")
    terminal.shows(f"$ nebula vm migrate keyed --host {target} --live")
    terminal.keys("Tab", "Tab", "Tab", "Tab", "Enter")
    terminal.shows(f"✓ $ nebula vm migrate keyed --host {target} --live")
    assert (cluster.vm("keyed")["host"], guest_facts(address)["boot-id"]) == (target, boot)

    terminal.keys("]", "]", "]", "]", "]")
    terminal.shows("RUNNING → MIGRATE by root", f"live-migrate on {target}")

    terminal.keys("D")
    terminal.shows("terminate keyed", "Type keyed to go on")
    terminal.type("keyed")
    terminal.keys("Enter")
    terminal.shows("✓ $ nebula vm terminate keyed", "0 VMs")
    assert cluster.state("keyed") == "gone"
    assert_left_nothing(lab, vm["id"])
    terminal.keys("q")
    terminal.shows("left with 0")
