"""Running a command inside a host."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import cgroup, proc
from .errors import LabError
from .run import attempt, run
from .spec import Host, Lab, command

ENVIRONMENT = [
    "env",
    "-i",
    "HOME=/root",
    "USER=root",
    "LANG=C.UTF-8",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
]
_JOIN = 'until [ "$1" = -- ]; do echo $$ >"$1" || exit; shift; done; shift; exec "$@"'
"""Writes the shell into groups and becomes what follows. A Python would take 30 times as long."""


def argv_inside(lab: Lab, host: Host, argv: Sequence[str]) -> list[str]:
    """The command on this machine that runs `argv` as root inside `host`; raises `LabError` if its power is off."""
    if host.init is None or not proc.alive(host.init):
        raise LabError(f"host {host.name} has no power", hint=f"{command(lab.root)} mend {host.name}")
    if host.machine:
        return [*_ssh(lab, host), "--", shlex.join([*ENVIRONMENT, *argv])]
    enter = ["nsenter", "-t", str(host.init.pid), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
    return [*joining(lab, host), *enter, *ENVIRONMENT, *argv]


def joining(lab: Lab, host: Host) -> list[str]:
    """What stands before a command that is to run in the host's control groups."""
    return ["sh", "-c", _JOIN, "join", *(str(path / "cgroup.procs") for path in cgroup.paths(lab, host)), "--"]


def _ssh(lab: Lab, host: Host) -> list[str]:
    """By the lab's own way in, which is there while the machine's cables and sshd are broken."""
    options = ["ConnectTimeout=20", "BatchMode=yes", "LogLevel=ERROR", "HostKeyAlias=" + lab.address(host)]
    known = ["UserKnownHostsFile=" + str(lab.root / "known_hosts"), "StrictHostKeyChecking=yes"]
    words = [word for option in (*options, *known) for word in ("-o", option)]
    terminal = ["-tt"] if sys.stdin.isatty() else []
    return ["ssh", "-F", "none", "-i", str(lab.root / "key"), *words, *terminal, "-p", "2222", f"root@{lab.entry(host)}"]


def run_inside(lab: Lab, host: Host, argv: Sequence[str], *, seconds: float = 60.0) -> str:
    """The output of `argv` run inside `host`; raises `LabError` if it fails."""
    return run(argv_inside(lab, host, argv), seconds=seconds, cwd=Path("/"))


def attempt_inside(lab: Lab, host: Host, argv: Sequence[str], *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """The result of `argv` run inside `host`, whatever its exit status."""
    return attempt(argv_inside(lab, host, argv), seconds=seconds, cwd=Path("/"))
