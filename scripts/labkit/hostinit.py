"""The first process of a host: makes the host's own view of the file system, then reaps what ends inside it.

Runs alone (`python3 hostinit.py PLAN.json`) in fresh network, mount, UTS, IPC, cgroup and PID namespaces; says `ready` on
stdout when everything is mounted. All that it needs of Python is imported at its start: Python may lie where mounts hide it.
"""

from __future__ import annotations

import grp
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Build the host and stay until the namespace is ended."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    _mount("--make-rprivate", "/")
    _system(plan)
    for source, target in plan["proc"]:
        _mount("--bind", source, target)
    _own_directories(plan)
    _own_kvm()
    _no_reset_of_the_machine()
    Path("/proc/sys/kernel/hostname").write_text(plan["name"])
    os.write(1, b"ready\n")
    os.dup2(2, 1)
    _reap_for_ever()


def _system(plan: dict[str, Any]) -> None:
    """The host's own /sys (of its network namespace), control groups, terminals and shared memory."""
    _tool("umount", "-R", "-l", "/sys")
    _mount("-t", "sysfs", "sysfs", "/sys")
    if plan["controllers"]:
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/sys/fs/cgroup")
        for name in plan["controllers"]:
            directory = Path("/sys/fs/cgroup", name)
            directory.mkdir()
            _mount("-t", "cgroup", "-o", name, "cgroup", str(directory))
    else:
        _mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", "/dev/pts")
    _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")  # noqa: S108 - the host's own, made here


def _own_directories(plan: dict[str, Any]) -> None:
    """The host's own files over the machine's; /tmp last, as their sources may lie below it."""
    _mount("-t", "overlay", "-o", plan["var_lib"], "overlay", "/var/lib")
    for source, target in plan["binds"]:
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount("--bind", source, target)
    Path("/var/lib/nebula").mkdir(exist_ok=True)
    _mount("-o", "loop", plan["disk"], "/var/lib/nebula")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("sshd", "lock"):
        Path("/run", name).mkdir(mode=0o755)
    _mount("--bind", plan["tmp"], "/tmp")  # noqa: S108 - the host's own, made here


def _own_kvm() -> None:
    """/dev/kvm as Debian's udev has it. Where QEMU's user may not open what root may, libvirtd takes what it knows of QEMU for
    stale, and probes it again (7 s) at each start of a guest.
    """
    machines = Path("/dev/kvm")
    if machines.exists():
        os.mknod("/run/kvm", stat.S_IFCHR | 0o660, machines.stat().st_rdev)
        os.chown("/run/kvm", 0, grp.getgrnam("kvm").gr_gid)
        Path("/run/kvm").chmod(0o660)
        _mount("--bind", "/run/kvm", str(machines))


def _no_reset_of_the_machine() -> None:
    """A host that is told to reset itself must not take the whole machine along."""
    if Path("/proc/sysrq-trigger").exists():
        _mount("--bind", "/dev/null", "/proc/sysrq-trigger")


def _mount(*arguments: str) -> None:
    _tool("mount", *arguments)


def _tool(*argv: str) -> None:
    if subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode != 0:
        sys.exit(f"{' '.join(argv)} failed")


def _reap_for_ever() -> None:
    while signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) == signal.SIGCHLD:
        _reap()


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


if __name__ == "__main__":
    main()
