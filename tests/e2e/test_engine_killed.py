"""The engine is killed (SIGKILL) while a step stands before, inside or after its work on a real host; the next one ends the
job, and nothing is lost, leaked or doubled. The same is tried at every change of every kind of job in tests/crash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import assert_no_forwarded_ports, assert_sound, assert_would_boot
from tests.e2e.test_main_job import other
from tests.lab.gates import HOOK, Gate, When
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(session_cluster: Program, session_lab: LabHandle, guest_image: Path) -> Iterator[Program]:
    """The session's cluster with an engine at work, and an image that one host has; its guests stay from test to test."""
    session_cluster.start_daemon()
    session_cluster.out("image", "create", "fresh", "--path", str(guest_image))
    yield session_cluster
    session_cluster.start_daemon()
    for vm in session_cluster.json("vm", "list", "-f", "json"):
        session_cluster.run("vm", "recover", str(vm["id"]), "--delete")
    session_cluster.out("image", "remove", "fresh")
    session_cluster.stop_daemon()
    assert_sound(session_cluster, session_lab)
    assert_no_forwarded_ports(session_lab)


def killed_at(cluster: Program, gate: Gate, *argv: str) -> str:
    """File what is asked, kill the engine where the gate stands, let the host go on, start the next engine.

    Returns what was answered: the job's number, or the VM's.
    """
    with gate.shut():
        answered = cluster.out(*argv, "--no-wait")
        gate.await_reached()
        cluster.kill_daemon()
        gate.open()
    cluster.start_daemon()
    return answered


# --- deploy, and terminate what it made


LIVES = [
    (("rsync", "images", "before"), ("soft", HOOK, "stopped", "before")),
    (("qemu-img", "create", "before"), ("hard", HOOK, "release", "before")),
    (("qemu-img", "create", "after"), ("hard", "rm", "/vms/", "before")),
    ((HOOK, "prepare", "before"), ("hard", "rm", "/vms/", "after")),
    ((HOOK, "started", "before"), None),
]


@pytest.mark.parametrize(("deploy", "terminate"), LIVES)
def test_deploy_and_terminate(
    cluster: Program,
    lab: LabHandle,
    guest_image: Path,
    deploy: tuple[str, str, When],
    terminate: tuple[str, str, str, When] | None,
) -> None:
    first = cluster.json("image", "show", "fresh", "-f", "json")["copies_on"][0]
    gate = Gate(lab, other(first), *deploy)
    small = ("--memory", "128M", "--cpu", "0.1", "--network", "lan")
    number = killed_at(cluster, gate, "vm", "create", "one", "--image", "fresh", *small, "--host", gate.host)
    cluster.out("vm", "wait", number, "RUNNING", "--timeout", "2m")
    if terminate is None or terminate[0] == "soft":
        address = str(cluster.vm(number)["addresses"][0])
        eventually(lambda: guest_facts(address).get("hostname") == "one", "the guest's page")
    else:
        assert_would_boot(cluster, lab, number, guest_image, "one")
    assert_sound(cluster, lab)
    if terminate is None:
        cluster.out("vm", "terminate", number, "--hard")
        return
    how, tool, words, when = terminate
    gate = Gate(lab, gate.host, tool, words, when)
    job = killed_at(cluster, gate, "vm", "terminate", number, *(["--hard"] if how == "hard" else []))
    cluster.out("job", "wait", job)
    assert cluster.state("one") == "gone"
    assert_sound(cluster, lab)


# --- live migration


@dataclass
class Guests:
    """Guests that are moved by one test after the other, by their image."""

    cluster: Program
    boots: dict[str, str] = field(default_factory=dict)

    def facts(self, image: str) -> dict[str, str]:
        """What the guest says of itself; made on first use."""
        name = f"moves-{image}"
        if name not in self.boots:
            small = ("--memory", "128M", "--cpu", "0.1", "--network", "lan")
            self.cluster.out("vm", "create", name, "--image", image, *small)
        address = str(self.cluster.vm(name)["addresses"][0])
        eventually(lambda: "counter" in guest_facts(address), f"{name}'s page")
        facts = guest_facts(address)
        self.boots.setdefault(name, facts["boot-id"])
        return facts


@pytest.fixture(scope="module")
def guests(cluster: Program) -> Guests:
    """The guests of this module's migrations."""
    return Guests(cluster)


MIGRATE = [
    ("own", "target", "qemu-img", "create", "before"),
    ("own", "target", "qemu-img", "create", "after"),
    ("own", "source", "ssh", " -L ", "before"),
    ("own", "source", "ssh", " -L ", "after"),
    ("own", "target", HOOK, "prepare", "before"),
    ("own", "target", HOOK, "started", "before"),
    ("own", "source", HOOK, "stopped", "before"),
    ("own", "source", "rm", "/vms/", "before"),
    ("own", "source", "rm", "/vms/", "after"),
    ("common", "target", HOOK, "prepare", "before"),
    ("common", "target", HOOK, "started", "before"),
    ("common", "source", HOOK, "stopped", "before"),
]


@pytest.mark.parametrize(("image", "end", "tool", "words", "when"), MIGRATE)
def test_live_migration(
    cluster: Program, lab: LabHandle, guests: Guests, image: str, end: str, tool: str, words: str, when: When
) -> None:
    before = guests.facts(image)
    name = f"moves-{image}"
    source = str(cluster.vm(name)["host"])
    gate = Gate(lab, source if end == "source" else other(source), tool, words, when)
    job = killed_at(cluster, gate, "vm", "migrate", name, "--host", other(source), "--live")
    cluster.out("job", "wait", job)
    assert cluster.vm(name)["host"] == other(source)
    after = guests.facts(image)
    assert after["boot-id"] == guests.boots[name], "it was started anew"
    assert int(after["counter"]) > int(before["counter"])
    assert_sound(cluster, lab)
