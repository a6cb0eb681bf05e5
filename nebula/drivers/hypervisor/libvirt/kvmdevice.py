"""Whether the QEMU that libvirt starts may open /dev/kvm.

libvirtd is root and may; its QEMU usually is a user of its own, who gets there by the device's group. Where that is another
one, as in containers whose groups have other numbers than the machine's, libvirtd takes what it knows of QEMU for stale and
asks it anew, for half a minute or more, before each start of a domain; and no domain gets KVM.
"""

from __future__ import annotations

from collections.abc import Iterator

from nebula.drivers.base import HostHandle
from nebula.model.host import Finding

REFUSED = 1
"""What `test` says; setpriv itself ends with 127 where it cannot become that user."""


def closed(handle: HostHandle, device: str, owners: list[str]) -> Iterator[Finding]:
    """A finding for each of QEMU's `owners` (uid:gid) who cannot open the device; none where it is not there."""
    if handle.transport.run(["test", "-c", device], check=False).status != 0:
        return
    for owner in dict.fromkeys(owners):
        if not _opens(handle, device, owner):
            yield _finding(handle, device, owner)


def _opens(handle: HostHandle, device: str, owner: str) -> bool:
    user, _, group = owner.partition(":")
    become = ["setpriv", "--reuid", user, "--regid", group, "--init-groups"]
    test = ["test", "-r", device, "-a", "-w", device]
    return handle.transport.run([*become, *test], check=False, root=True).status != REFUSED


def _finding(handle: HostHandle, device: str, owner: str) -> Finding:
    whose = handle.transport.run(["stat", "-c", "%U:%G, mode %a", device], check=False).text.strip()
    user = handle.transport.run(["id", "-nu", owner.partition(":")[0]], check=False).text.strip() or owner
    text = f"QEMU's user {user} cannot open {device} ({whose}): each start of a VM takes half a minute longer, without KVM"
    return Finding(check="kvm", level="warning", text=text, fix=f"chgrp kvm {device} && chmod 660 {device}")
