"""The ways to a guest as a person goes them: console, screen, ssh, waiting."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.program import Program, as_person
from tests.e2e.test_main_job import create
from tests.lab.handle import LabHandle, eventually, fetch
from tests.lab.terminal import Terminal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def guest(alone: Program) -> Program:
    """A cluster with a guest "web" that answers, and no daemon."""
    create(alone, "web", "own")
    return alone


def at_console(cluster: Program, act: Callable[[Terminal], object]) -> int:
    """Sit at the guest's console until its shell answers, `act`, and wait for the end; the terminal is as it was."""
    with cluster.terminal("vm", "console", "web") as terminal:
        before = terminal.modes()
        terminal.expect("leaves it")
        terminal.line("")
        terminal.expect("nebula# ")
        terminal.line("echo answer-$((40+2))")
        terminal.expect("answer-42")
        assert terminal.modes() != before
        act(terminal)
        status = terminal.end()
        assert terminal.modes() == before
        return status


def test_the_console_gives_the_terminal_back_whatever_ends_it(guest: Program, lab: LabHandle) -> None:
    vm = guest.vm("web")
    assert ssh(guest, lab, "web", "--", "true").returncode == 255, "without a key nobody listens"
    assert at_console(guest, lambda terminal: terminal.type("\x1d")) == 0
    assert at_console(guest, lambda terminal: terminal.signal(signal.SIGTERM)) == 130
    assert at_console(guest, lambda _: lab.damage(vm["host"], "network")) == 6, "the host was cut off"
    lab.mend_all()
    guest.start_daemon()
    eventually(lambda: guest.state("web") == "RUNNING", "the host that answers again")
    assert at_console(guest, lambda _: guest.kill_daemon()) == 6, "the guest runs on: the way to it was lost"
    assert at_console(guest, lambda _: lab.exec(vm["host"], "virsh", "destroy", f"one-{vm['id']}")) == 0
    refused = guest.run("vm", "console", "web")
    assert refused.returncode in {2, 5}, refused.stderr


HELLO = {
    "vnc": (b"", b"RFB "),
    "spice": (struct.pack("<4sIIIIBBIII", b"REDQ", 2, 2, 18, 0, 1, 0, 0, 0, 18), b"REDQ"),
}
"""What a viewer says first, and what it is answered."""


@pytest.mark.parametrize(("screen", "daemon"), [("vnc", False), ("spice", True)])
def test_the_screen_is_reached_through_a_tunnel_that_ends_with_the_command(
    alone: Program, screen: str, daemon: bool, tmp_path: Path
) -> None:
    alone.out("vm", "create", "web", "--image", "own", "--memory", "128M", "--network", "lan", "--graphics", screen)
    if daemon:
        alone.start_daemon()
    with alone.terminal("vm", screen, "web") as terminal:
        terminal.expect(f"{screen}://127.0.0.1:")
        port = int(terminal.expect("open until Ctrl-C").split()[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as viewer:
            hello, answer = HELLO[screen]
            viewer.sendall(hello)
            assert viewer.recv(4) == answer
            terminal.type("\x03")
            assert terminal.end() == 130
            while viewer.recv(4096):
                pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=20)
    assert alone.run("vm", "spice" if screen == "vnc" else "vnc", "web").returncode == 5
    alone.out("vm", "screenshot", "web", str(tmp_path / "web.png"))
    assert (tmp_path / "web.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for words in (("exec", "web", "--", "true"), ("cp", "web:/etc/hosts", str(tmp_path / "hosts"))):
        refused = alone.run("vm", *words)
        assert (refused.returncode, "qemu-guest-agent" in refused.stderr) == (5, True), refused.stderr
    if daemon:
        with alone.terminal("vm", screen, "web") as terminal:
            terminal.expect("open until Ctrl-C")
            alone.kill_daemon()
            assert terminal.end() == 6


def test_ssh_into_a_guest_with_the_key_that_its_context_brings_and_another_context(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "web", "own", "--ssh-key", str(lab.root / "key.pub"), "--context", "COLOUR=red")
    for _ in range(2):
        done = ssh(cluster, lab, "web", "--", "cat /proc/sys/kernel/hostname; echo $SSH_CONNECTION; exit 7")
        assert done.returncode == 7, done.stderr
        name, connection = done.stdout.splitlines()
        assert (name, connection.split()[2:]) == ("web", [address, "22"])
    assert fetch(address, "/context/COLOUR") == "red"
    assert ssh(cluster, lab, "web", "--", "mount -t iso9660 -o ro /dev/sr0 /mnt").returncode == 0
    cluster.out("vm", "update", "web", "--context", "COLOUR=it's $(blue)")
    assert cluster.state("web") == "RUNNING"
    done = ssh(cluster, lab, "web", "--", "umount /mnt; context")
    assert done.returncode == 0, done.stderr
    assert fetch(address, "/context/COLOUR") == "it's $(blue)"


def test_ssh_goes_to_the_address_as_the_user(cluster: Program, lab: LabHandle) -> None:
    """The guest's cable is cut, and a host of the lab takes its address: the host's sshd is a real one."""
    address = lab.guest_address(149)
    cluster.out("vm", "create", "login", "--image", "own", "--memory", "128M", "--network", f"lan:ip={address}")
    vm = cluster.vm("login")
    lab.exec(vm["host"], "virsh", "domif-setlink", f"one-{vm['id']}", vm["nics"][0]["tap"], "down")
    lab.exec("h2", "ip", "address", "add", f"{address}/24", "dev", "br0")
    try:
        done = ssh(cluster, lab, "--user", "nebula", "login", "--", "echo $(id -un) $SSH_CONNECTION")
    finally:
        lab.exec("h2", "ip", "address", "del", f"{address}/24", "dev", "br0")
    assert done.returncode == 0, done.stderr
    user, *connection = done.stdout.split()
    assert (user, connection[2:]) == ("nebula", [address, "22"])


def ssh(cluster: Program, lab: LabHandle, *words: str) -> subprocess.CompletedProcess[str]:
    """`nebula vm ssh` of a person with the lab's key."""
    argv = [*as_person(lab.root / "key"), sys.executable, "-m", "nebula", "vm", "ssh", *words]
    return subprocess.run(argv, env=cluster.environment, capture_output=True, text=True, timeout=120, check=False, input="")


def test_a_card_with_nothing_but_ipv6_is_seen_from_inside_and_from_outside(cluster: Program, lab: LabHandle) -> None:
    cluster.out("network", "create", "six", "--bridge", "br0", "--range", "fd00:9::10+5", "--gateway6", "fd00:9::1")
    try:
        address = create(cluster, "both", "own", "--network", "six", "--ssh-key", str(lab.root / "key.pub"))
        card = cluster.vm("both")["nics"][1]
        assert not card.get("ip")
        assert "address: eth1 fd00:9::10" in str(fetch(address)).splitlines()
        cluster.out("vm", "create", "six", "--image", "own", "--memory", "128M", "--network", "six")
        assert cluster.vm("six")["addresses"] == ["fd00:9::11"]
        seen = "wget -O - 'http://[fd00:9::11]/' 2>/dev/null"
        eventually(lambda: "hostname: six" in ssh(cluster, lab, "both", "--", seen).stdout, "the page of a guest by IPv6")
        page = ssh(cluster, lab, "both", "--", seen).stdout.splitlines()
        assert [line for line in page if line.startswith("address: ") and "fe80" not in line] == ["address: eth0 fd00:9::11"]
        route = ssh(cluster, lab, "both", "--", "ip -6 route show default").stdout
        assert route.split()[:5] == ["default", "via", "fd00:9::1", "dev", "eth1"]
    finally:
        for name in ("both", "six"):
            cluster.run("vm", "terminate", name, "--hard")
        cluster.out("network", "remove", "six")


def test_waiting_for_states(cluster: Program) -> None:
    cluster.out("vm", "create", "web", "--image", "own", "--memory", "128M", "--hold")
    late = cluster.run("vm", "wait", "web", "RUNNING", "--timeout", "1s")
    assert (late.returncode, "HOLD" in late.stderr) == (7, True)
    assert cluster.run("vm", "wait", "web", "HOLD", "RUNNING").returncode == 0
    waiting = cluster.start("vm", "wait", "web", "RUNNING", "--timeout", "2m")
    cluster.out("vm", "release", "web")
    assert waiting.wait(timeout=150) == 0
    waiting.communicate()
    cluster.out("vm", "terminate", "web", "--hard")
    assert cluster.run("vm", "wait", "web", "RUNNING").returncode in {3, 5}
    assert cluster.run("vm", "wait", "web", "NO_SUCH_STATE").returncode == 2
