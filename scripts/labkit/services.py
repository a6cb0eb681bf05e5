"""The daemons of a host: sshd, virtlogd, libvirtd; each started so that the host's first process is its parent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from . import proc
from .enter import attempt_inside, run_inside
from .spec import Host, Lab

START = {
    "sshd": ["/usr/sbin/sshd", "-E", "/run/sshd.log"],
    "virtlogd": ["virtlogd", "-d"],
    "libvirtd": ["libvirtd", "-d"],
}

UNITS = {
    "sshd": ["ssh.service"],
    "libvirtd": ["libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "libvirtd.service"],
    "ovsdb-server": ["ovsdb-server.service"],
    "ovs-vswitchd": ["ovs-vswitchd.service"],
}
"""What systemd calls them on machines; the first tells whether it runs."""


def start_all(lab: Lab, host: Host) -> None:
    """Start every daemon and wait until each answers."""
    for name in START:
        start(lab, host, name)


def start(lab: Lab, host: Host, name: str) -> None:
    """Start one daemon unless it runs, and wait until it answers."""
    if host.machine:
        run_inside(lab, host, ["systemctl", "start", *UNITS[name]], seconds=120)
        return
    if not running(lab, host, name):
        run_inside(lab, host, START[name])
    if name in ANSWERS:
        proc.wait_until(lambda: ANSWERS[name](lab, host), seconds=60, what=f"{name} on {host.name}")


def kill(lab: Lab, host: Host, name: str) -> None:
    """SIGKILL for every process of that command name inside the host; a machine's systemd starts none again."""
    if host.machine:
        attempt_inside(lab, host, ["systemctl", "kill", "-s", "KILL", *UNITS[name]])
        run_inside(lab, host, ["systemctl", "stop", *UNITS[name]], seconds=120)
        return
    for known in _named(host, name):
        if proc.alive(known):
            os.kill(known.pid, signal.SIGKILL)
    proc.wait_until(lambda: not running(lab, host, name), seconds=10, what=f"{name} on {host.name} to end")


def running(lab: Lab, host: Host, name: str) -> bool:
    """Whether the host has a process of that command name, or a machine's systemd would start one for who asks."""
    if host.machine:
        asked = ["systemctl", "-q", "is-active", UNITS[name][0]]
        return proc.alive(host.init) and attempt_inside(lab, host, asked).returncode == 0
    return bool(_named(host, name))


def _named(host: Host, name: str) -> list[proc.Process]:
    if host.init is None or not proc.alive(host.init):
        return []
    return [known for known, command in proc.in_namespace(host.init) if command == name]


def _libvirt_answers(lab: Lab, host: Host) -> bool:
    return attempt_inside(lab, host, ["virsh", "-c", "qemu:///system", "uri"]).returncode == 0


def _ssh_listens(lab: Lab, host: Host) -> bool:
    """Its start returns before it listens."""
    return bool(attempt_inside(lab, host, ["ss", "-Hltn", "sport = :22"]).stdout)


ANSWERS: dict[str, Callable[[Lab, Host], bool]] = {"libvirtd": _libvirt_answers, "sshd": _ssh_listens}
