"""The guest boots from its disk, believes its context, talks, obeys its button, and migrates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import guests
from .console import converse
from .handle import LabHandle, MakeLab, eventually, fetch, guest_facts

pytestmark = pytest.mark.lab


@pytest.fixture
def guest(lab: LabHandle, guest_image: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a guest that has started on h1."""
    machine = getattr(request, "param", "q35")
    address = lab.guest_address(50)
    guests.define(lab, "h1", guest_image, name=machine, address=address, machine=machine)
    lab.exec("h1", "virsh", "start", machine)
    eventually(lambda: "counter" in guest_facts(address), "the guest's page")
    yield address
    for host in ("h1", "h2"):
        lab.ssh(host, "virsh", "destroy", machine)
        lab.ssh(host, "virsh", "undefine", machine)
    for path in lab.shared.glob(f"{machine}.*"):
        guests.remove(path)


@pytest.mark.parametrize("guest", ["pc"], indirect=True)
def test_context_console_and_power_button(lab: LabHandle, guest: str) -> None:
    facts = guest_facts(guest)
    assert facts["hostname"] == "pc"
    assert facts["nic"] == "eth0 02:00:4c:4e:00:01"
    assert fetch(guest, "/context/SSH_PUBLIC_KEY") == "ssh-ed25519 AAAA first\nssh-ed25519 BBBB it's $(poweroff -f) second"
    assert (fetch(guest, "/cgi-bin/keep?a-word") or "").split() == ["a-word", "a-word"]
    lab.exec("h1", "virsh", "shutdown", "pc")
    eventually(
        lambda: lab.exec("h1", "virsh", "domstate", "--reason", "pc").strip() == "shut off (shutdown)", "the guest's end"
    )
    said = lab.exec("h1", "cat", "/var/log/libvirt/qemu/pc-serial.log")
    assert "nebula-heartbeat 1 pc" in said
    assert "nebula-poweroff" in said


def test_live_migration_peer_to_peer_keeps_the_guest_running(lab: LabHandle, guest: str) -> None:
    _let_in(lab, "h1", "h2")
    before = guest_facts(guest)
    flags = ["--live", "--p2p", "--persistent", "--undefinesource", "--unsafe"]
    lab.exec("h1", "virsh", "migrate", *flags, "q35", "qemu+ssh://root@h2/system")
    assert "q35" in lab.exec("h2", "virsh", "list", "--name")
    assert "q35" not in lab.exec("h1", "virsh", "list", "--all", "--name")
    eventually(lambda: int(guest_facts(guest).get("counter", 0)) > int(before["counter"]), "the counter to go on")
    assert guest_facts(guest)["boot-id"] == before["boot-id"]


def test_the_console_answers_and_a_panic_is_seen_as_a_crash(lab: LabHandle, guest: str) -> None:
    converse(lab, "h1", "q35", "echo hi-$((40+2))", "hi-42")
    converse(lab, "h1", "q35", "crash", "Kernel panic")
    eventually(lambda: lab.exec("h1", "virsh", "domstate", "--reason", "q35").strip() == "crashed (panicked)", "the crash")


def test_a_stock_host_runs_guests_as_debian_does(make_lab: MakeLab, guest_image: Path) -> None:
    stock = make_lab(1, "--profile", "stock", "--guest-bridge", "br0")
    guests.define(stock, "h1", guest_image, name="stock", address=stock.guest_address(50))
    stock.exec("h1", "virsh", "start", "stock")
    assert stock.exec("h1", "ps", "-o", "user:20=", "-C", "qemu-system-x86_64").strip() == "libvirt-qemu"
    stock.run("down")


def _let_in(lab: LabHandle, source: str, target: str) -> None:
    """What the product does when a host is added: a key of the source's that the target accepts, and a pinned host key."""
    lab.exec(source, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/id_ed25519")
    with (lab.root / "hosts" / target / "root/.ssh/authorized_keys").open("a") as accepted:
        accepted.write((lab.root / "hosts" / source / "root/.ssh/id_ed25519.pub").read_text())
    (lab.root / "hosts" / source / "root/.ssh/known_hosts").write_text(f"{target} {lab.host(target)['host_key']}\n")
