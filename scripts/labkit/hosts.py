"""A host's life: its first process in namespaces of its own, its network, and its end.

Ending that first process ends all that the host runs and mounts; only its files, cables and empty control groups are left
to be taken away. A stock libvirtd needs of these a cgroup namespace over groups of its own (it makes `/machine` there),
terminals of its own, and nothing more.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from . import cgroup, machines, network, proc, services
from .enter import joining, run_inside
from .errors import LabError
from .run import run
from .spec import Host, Lab, save

NAMESPACES = ["--net", "--mount", "--uts", "--ipc", "--cgroup", "--pid", "--fork", "--mount-proc", "--kill-child"]
HERE = Path(__file__).resolve().parent


def start(lab: Lab, host: Host) -> None:
    """Power the host on: namespaces, mounts, network, services. Its files are there already.

    A virtual machine is only begun: `machines.wait` says when it can be used.
    """
    if host.machine:
        machines.start(lab, host)
        return
    cgroup.build(lab, host)
    _first_process(lab, host)
    network.plug(lab, host)
    for argv in network.commands_inside(lab, host):
        run_inside(lab, host, argv)
    services.start_all(lab, host)


def stop(lab: Lab, host: Host) -> None:
    """Cut the host's power: everything in its PID namespace ends at once, its guests included."""
    if host.machine:
        machines.stop(lab, host)
        return
    proc.kill(host.init)
    proc.kill(host.runner)
    host.init = host.runner = None
    network.unplug(lab, host)
    _wait_for_disk(lab, host)
    cgroup.remove(lab, host)
    save(lab)


def _first_process(lab: Lab, host: Host) -> None:
    base = lab.directory(host)
    inner = [sys.executable, "-I", str(HERE / "hostinit.py"), str(base / "plan.json")]
    argv = [*joining(lab, host), "unshare", *NAMESPACES, "--", *inner]
    with (base / "run" / "init.log").open("ab") as log:
        runner = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd="/", start_new_session=True
        )
    host.runner = proc.process(runner.pid)
    save(lab)
    _await_ready(host, runner, base / "run" / "init.log")
    save(lab)


def _await_ready(host: Host, runner: subprocess.Popen[bytes], log: Path) -> None:
    said = runner.stdout.readline() if runner.stdout else b""
    if said != b"ready\n" or host.runner is None:
        raise LabError(f"host {host.name} did not start: {log.read_text().strip()[-600:]}")
    host.init = proc.only_child(host.runner)


def _wait_for_disk(lab: Lab, host: Host) -> None:
    """The kernel lets go of the loop device late; mounted twice the file system would be ruined."""
    image = lab.directory(host) / "nebula.img"
    proc.wait_until(
        lambda: not image.exists() or not run(["losetup", "-j", str(image)]).strip(), seconds=30, what=f"{image} to be free"
    )
