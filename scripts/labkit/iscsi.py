"""A SAN beside a lab's hosts: one iSCSI target of tgt's, in user space, whose LUNs are files.

It knows a user with a password (CHAP), as a person would set one up. Its LUNs outlive tgtd, which may be stopped and started.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from . import beside, network, proc
from .errors import LabError
from .run import attempt
from .spec import Lab, command, save

PACKAGES = ("tgt",)
USER = "nebula"
_HOST_BYTE = 6
_SOCKET = "tgtd"
"""Within the SAN's directory, from which all is run: an absolute path may be too long for a socket."""


def up(lab: Lab) -> None:
    """Make and start it, without a LUN; what fails on the way is taken down again."""
    if lab.iscsi is not None:
        raise LabError(f"lab {lab.name} has a SAN already", hint=f"{command(lab.root)} iscsi down")
    try:
        _base(lab).mkdir()
        path = _base(lab) / "password"
        path.touch(mode=0o600)
        path.write_text(f"{secrets.token_hex(8)}\n")
        lab.iscsi = beside.start(lab, "the SAN", _link(lab), _HOST_BYTE)
        save(lab)
        start(lab)
    except BaseException:
        down(lab)
        raise


def down(lab: Lab) -> None:
    """End it and remove all of it; where there is none: nothing."""
    proc.kill(lab.iscsi)
    lab.iscsi = None
    network.pull_out(_link(lab))
    shutil.rmtree(_base(lab), ignore_errors=True)
    save(lab)


def start(lab: Lab) -> None:
    """The target runs, with all LUNs; running already: nothing."""
    if _daemons(lab):
        return
    argv = [*_enter(lab), "tgtd", "-f", "-t", "2", "--iscsi", f"portal={beside.address(lab, _HOST_BYTE)}:3260"]
    with (_base(lab) / "tgtd.log").open("a") as log:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=_base(lab), start_new_session=True)
    proc.wait_until(lambda: _told(lab, "--mode", "sys", "--op", "show").returncode == 0, seconds=20, what="tgtd")
    password = (_base(lab) / "password").read_text().strip()
    _tell(lab, "--mode", "target", "--op", "new", "--tid", "1", "--targetname", target(lab))
    _tell(lab, "--mode", "account", "--op", "new", "--user", USER, "--password", password)
    _tell(lab, "--mode", "account", "--op", "bind", "--tid", "1", "--user", USER)
    for path in sorted(_base(lab).glob("lun-*")):
        _export(lab, int(path.name.removeprefix("lun-")))
    _tell(lab, "--mode", "target", "--op", "bind", "--tid", "1", "--initiator-address", "ALL")


def stop(lab: Lab) -> None:
    """The target dies by SIGKILL: whoever uses a LUN waits."""
    for known in _daemons(lab):
        os.kill(known.pid, signal.SIGKILL)
    proc.wait_until(lambda: not _daemons(lab), seconds=20, what="tgtd to end")


def lun(lab: Lab, number: int, mebibytes: int) -> None:
    """There is a LUN of that number and size: a new one is empty, one that is there grows (tgt forgets it for a moment)."""
    path = _base(lab) / f"lun-{number}"
    there = path.exists()
    with path.open("ab") as file:
        file.truncate(max(path.stat().st_size, mebibytes << 20))
    if there:
        _tell(lab, "--mode", "logicalunit", "--op", "delete", "--tid", "1", "--lun", str(number))
    _export(lab, number)


def report(lab: Lab) -> dict[str, object] | None:
    """What a datastore of it is created with, and whether it runs; None where there is none."""
    if lab.iscsi is None:
        return None
    return {
        "host": beside.address(lab, _HOST_BYTE),
        "target": target(lab),
        "user": USER,
        "password_file": str(_base(lab) / "password"),
        "runs": bool(_daemons(lab)),
    }


def target(lab: Lab) -> str:
    """The target's name."""
    return f"iqn.2026-01.org.example:lab{lab.number}"


def _export(lab: Lab, number: int) -> None:
    of = ("--tid", "1", "--lun", str(number))
    _tell(lab, "--mode", "logicalunit", "--op", "new", *of, "--backing-store", str(_base(lab) / f"lun-{number}"))
    _tell(lab, "--mode", "logicalunit", "--op", "update", *of, "--params", "thin_provisioning=1")


def _tell(lab: Lab, *words: str) -> None:
    done = _told(lab, *words)
    if done.returncode:
        raise LabError(f"tgtadm {' '.join(words[:4])} failed: {done.stderr.strip()[-600:]}")


def _told(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return attempt([*_enter(lab), "tgtadm", "--lld", "iscsi", *words], cwd=_base(lab))


def _enter(lab: Lab) -> list[str]:
    if lab.iscsi is None:
        raise LabError(f"lab {lab.name} has no SAN", hint=f"{command(lab.root)} iscsi up")
    return ["nsenter", "-t", str(lab.iscsi.pid), "-n", "-p", "--", "env", f"TGT_IPC_SOCKET={_SOCKET}"]


def _daemons(lab: Lab) -> list[proc.Process]:
    return [known for known, name in proc.in_namespace(lab.iscsi) if name == "tgtd"] if lab.iscsi else []


def _base(lab: Lab) -> Path:
    return lab.root / "iscsi"


def _link(lab: Lab) -> str:
    return f"{lab.bridge()}san"
