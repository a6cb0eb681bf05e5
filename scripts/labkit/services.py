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


def start_all(lab: Lab, host: Host) -> None:
    """Start every daemon and wait until each answers."""
    for name in START:
        start(lab, host, name)


def start(lab: Lab, host: Host, name: str) -> None:
    """Start one daemon unless it runs, and wait until it answers."""
    if not running(host, name):
        run_inside(lab, host, START[name])
    if name in ANSWERS:
        proc.wait_until(lambda: ANSWERS[name](lab, host), seconds=60, what=f"{name} on {host.name}")


def kill(host: Host, name: str) -> None:
    """SIGKILL for every process of that command name inside the host."""
    for known in _named(host, name):
        if proc.alive(known):
            os.kill(known.pid, signal.SIGKILL)
    proc.wait_until(lambda: not running(host, name), seconds=10, what=f"{name} on {host.name} to end")


def running(host: Host, name: str) -> bool:
    """Whether the host has a process of that command name."""
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
