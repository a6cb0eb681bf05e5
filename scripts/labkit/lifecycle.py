"""Bringing a whole lab up and taking it down."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import access, ceph, cgroup, files, hosts, iscsi, lxcfs, machinefiles, machineimage, machines, network, openvswitch
from .errors import LabError
from .spec import Lab, Options, command, load, make_hosts, save


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lab so that two commands do not change it at once."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_name(f".{root.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def up(root: Path, count: int, options: Options, *, images: Path, number: int | None = None) -> Lab:
    """Make and start a lab of `count` hosts and the machines of `options` (their image is kept in `images`).

    Whatever fails on the way is taken down again.
    """
    _check(root, count + options.machines)
    lab = Lab(root.name, root, network.claim_number(number or _first_number(root)), options, make_hosts(count, options))
    if number and lab.number != number:
        network.remove(Lab(root.name, root, lab.number, options, []))
        raise LabError(f"lab number {number} is taken on this machine", hint="ip -brief link show type bridge")
    try:
        _build(lab, machineimage.build(images) if options.machines else None)
    except BaseException:
        _take_down(lab)
        raise
    return lab


def down(root: Path) -> None:
    """End the lab's processes and remove all that it made."""
    _take_down(load(root))


def _check(root: Path, count: int) -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root for its namespaces", hint="sudo scripts/lab up 2")
    if (root / "lab.json").exists():
        raise LabError(f"lab {root.name} is up already", hint=f"{command(root)} down")
    if root.is_relative_to("/var/lib") or not 1 <= count <= 200:
        raise LabError("a lab has 1 to 200 hosts and its directory is not below /var/lib", hint="scripts/lab up 2")


def _first_number(root: Path) -> int:
    return hashlib.sha256(str(root).encode()).digest()[0] % 254 + 1


def _build(lab: Lab, image: machineimage.MachineImage | None) -> None:
    shutil.rmtree(lab.root, ignore_errors=True)
    (lab.root / "shared").mkdir(parents=True)
    save(lab)
    network.build(lab)
    access.make_key(lab.root)
    lxcfs.start(lab)
    for host in lab.hosts:
        if image and host.machine:
            machinefiles.build(lab, host, image)
        else:
            files.build(lab, host)
    access.write(lab)
    if image:
        network.make_switch(lab.switch())
        machines.make_disks(lab)
    for host in reversed(lab.hosts):  # machines first: they boot while the others are made
        hosts.start(lab, host)
    for host in lab.machines():
        machines.wait(lab, host)
        if image:
            machinefiles.keep_capabilities(lab, host, image.root.parent)
    save(lab)


def _take_down(lab: Lab) -> None:
    for host in lab.hosts:
        hosts.stop(lab, host)
    ceph.down(lab)
    iscsi.down(lab)
    openvswitch.remove(lab)
    lxcfs.stop(lab)
    network.remove(lab)
    cgroup.remove_lab(lab)
    shutil.rmtree(lab.root)
