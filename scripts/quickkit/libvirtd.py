"""The machine's libvirtd: the one that runs, or one of our own where there is no systemd; only our own is ended."""

from __future__ import annotations

import grp
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .errors import QuickstartError
from .steps import wait_for

SOCKETS = (Path("/run/libvirt/virtqemud-sock"), Path("/run/libvirt/libvirt-sock"))
KVM = Path("/dev/kvm")
QEMU_USER = "libvirt-qemu"
REFUSED = 1
"""What `test` says; setpriv itself ends with 127 where there is no such user."""
START_SECONDS = 30.0
STOP_SECONDS = 15.0


def ensure(state: Path) -> None:
    """Have a libvirtd that answers; raises `QuickstartError`."""
    if _answers():
        return
    if Path("/run/systemd/system").is_dir():
        _systemd()
    else:
        _start_own(state)
    wait_for("libvirtd's socket", lambda: _answers() or None, START_SECONDS)


def stop_own(state: Path) -> None:
    """End what `ensure` started, if anything."""
    record = state / "started.json"
    if not record.exists():
        return
    for started in reversed(json.loads(record.read_text())):
        if _birth(started["pid"]) == started["birth"]:
            os.kill(started["pid"], signal.SIGTERM)
            _wait_for_end(started["pid"], started["birth"])
    record.unlink()


def give_kvm_to_its_group(device: Path) -> None:
    """What udev does on a machine that has it: root:kvm 0660.

    Without it libvirtd's own user cannot open the device although libvirtd can, and libvirtd looks at QEMU's abilities
    anew, for half a minute, before each domain that it starts.
    """
    if not device.exists() or device.stat().st_uid != 0 or device.stat().st_gid != 0:
        return
    try:
        group = grp.getgrnam("kvm").gr_gid
    except KeyError:
        return
    os.chown(device, 0, group)
    device.chmod(0o660)


def require_kvm_open(device: Path) -> None:
    """Raise `QuickstartError` where libvirt's QEMU cannot open the device: each start of a guest would take minutes.

    A device of another group is somebody's decision, or that of the machine around a container: it is not changed here.
    """
    become = ["setpriv", "--reuid", QEMU_USER, "--regid", "kvm", "--init-groups"]
    opened = subprocess.run([*become, "test", "-r", device, "-a", "-w", device], capture_output=True, timeout=10, check=False)
    if device.exists() and opened.returncode == REFUSED:
        raise QuickstartError(
            f"QEMU's user {QEMU_USER} cannot open {device}: libvirtd would look at QEMU's abilities anew before each start",
            hint=f"chgrp kvm {device} && chmod 660 {device}",
        )


def _systemd() -> None:
    for unit in ("virtqemud.socket", "libvirtd.socket"):
        if (
            subprocess.run(["systemctl", "start", unit], capture_output=True, timeout=START_SECONDS, check=False).returncode
            == 0
        ):
            return
    raise QuickstartError("systemd could not start libvirtd", hint="systemctl status libvirtd")


def _start_own(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    give_kvm_to_its_group(KVM)
    require_kvm_open(KVM)
    started = []
    for name in ("virtlogd", "libvirtd"):
        program = shutil.which(name, path="/usr/sbin:/usr/bin")
        if program is None:
            raise QuickstartError(f"{name} is not installed", hint="apt install libvirt-daemon-system")
        started.append(_start([program], state / f"{name}.log"))
        (state / "started.json").write_text(json.dumps(started))


def _start(argv: Sequence[str], log: Path) -> dict[str, object]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    return {"pid": process.pid, "birth": _birth(process.pid)}


def _answers() -> bool:
    return any(_connects(path) for path in SOCKETS)


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _birth(pid: int) -> int:
    """When the process was started, in the kernel's ticks: with the number it names one process for ever; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def _wait_for_end(pid: int, birth: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while _birth(pid) == birth:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
