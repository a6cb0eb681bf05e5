"""Debian's packages that the lab needs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .errors import LabError
from .run import attempt, run

HOST_PACKAGES = (
    "qemu-system-x86", "qemu-utils", "qemu-block-extra", "libvirt-daemon", "libvirt-daemon-system",
    "libvirt-daemon-driver-qemu", "libvirt-clients", "iproute2", "nftables", "openssh-server", "openssh-client",
    "util-linux", "e2fsprogs", "sudo", "rsync", "genisoimage", "restic",
)  # fmt: skip
IMAGE_PACKAGES = (
    "binutils", "busybox-static", "cpio", "dosfstools", "fdisk", "lz4", "mtools", "qemu-utils", "syslinux", "syslinux-common",
)  # fmt: skip
DEBIAN_PACKAGES = (*IMAGE_PACKAGES, "mmdebstrap", "e2fsprogs")
"""For the guest of Debian's packages, and for hosts that are virtual machines."""


def require(packages: Sequence[str], *, install: bool) -> None:
    """Install what is missing, or raise `LabError` naming it and the command if `install` is false."""
    missing = [name for name in packages if not _installed(name)]
    if not missing:
        return
    argv = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if not install or os.geteuid() != 0:
        raise LabError(f"packages are missing: {', '.join(missing)}", hint=" ".join(argv))
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    run([*quiet, "update", "-q"], seconds=300)
    run([*quiet, *argv[1:]], seconds=1200)


def _installed(name: str) -> bool:
    return attempt(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", name]).stdout.startswith("ii")
