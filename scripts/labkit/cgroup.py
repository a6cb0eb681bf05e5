"""A host's control groups: a place of its own in every hierarchy, so that it can be limited and can have limits inside."""

from __future__ import annotations

from pathlib import Path

from .proc import wait_until
from .spec import Host, Lab

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
PERIOD_MICROSECONDS = 100_000


def unified() -> bool:
    """Whether this machine has cgroup version 2 alone."""
    return (MOUNT / "cgroup.controllers").exists()


def paths(lab: Lab, host: Host) -> list[Path]:
    """The host's directories, one per hierarchy."""
    return [root / _group(lab) / host.name for root in _hierarchies()]


def build(lab: Lab, host: Host) -> None:
    """Make the host's groups and set its limits."""
    for root, path in zip(_hierarchies(), paths(lab, host), strict=True):
        for parent, child in ((root, path.parent), (path.parent, path)):
            child.mkdir(exist_ok=True)
            _hand_down(parent, child)
        _limit(path, lab)


def remove(lab: Lab, host: Host) -> None:
    """Take the host's groups away, those that libvirt made within them too."""
    for path in paths(lab, host):
        for child in sorted(path.rglob("*/"), reverse=True) if path.exists() else ():
            _rmdir(child)
        _rmdir(path)


def remove_lab(lab: Lab) -> None:
    """Take the lab's own groups away once its hosts' are gone."""
    for root in _hierarchies():
        _rmdir(root / _group(lab))


def _group(lab: Lab) -> str:
    return f"nebula-lab-{lab.number}"


def _hierarchies() -> list[Path]:
    return [MOUNT] if unified() else [MOUNT / name for name in CONTROLLERS if (MOUNT / name / "cgroup.procs").exists()]


def _hand_down(parent: Path, child: Path) -> None:
    """What a new group must have before a process may enter: version 2's controllers, version 1's CPU set."""
    if unified():
        (parent / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not unified() and (parent / name).exists():
            (child / name).write_text((parent / name).read_text())


def _limit(path: Path, lab: Lab) -> None:
    quota = int(lab.options.cpus * PERIOD_MICROSECONDS)
    limits = {
        "cpu.max": f"{quota} {PERIOD_MICROSECONDS}" if quota else "",
        "cpu.cfs_quota_us": str(quota) if quota else "",
        "memory.max": str(lab.options.memory << 20) if lab.options.memory else "",
        "memory.limit_in_bytes": str(lab.options.memory << 20) if lab.options.memory else "",
    }
    for name, value in limits.items():
        if value and (path / name).exists():
            (path / name).write_text(value)


def _rmdir(path: Path) -> None:
    """Remove a group; the kernel lets go of its last process a moment after that has ended."""

    def gone() -> bool:
        try:
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    wait_until(gone, seconds=10, what=f"{path} to empty")
