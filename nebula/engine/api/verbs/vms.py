"""The verbs of virtual machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from nebula.engine.api.values import Accepted, Call, Detail, Executed, FilePart, Listing, Query
from nebula.engine.api.verbs.answers import Addresses, Lines
from nebula.engine.api.verbs.belongings import Belongings
from nebula.engine.api.verbs.streams import ByteStream, Tunnel


class Vms(Belongings, Protocol):
    """Virtual machines."""

    def list(self, query: Query) -> Listing: ...
    def show(self, ref: str, refresh: bool = False) -> Detail: ...
    def describe(self, ref: str) -> Detail:
        """State and why, the last job, what may be typed now, and per host why not (while it waits)."""
        ...

    def explain(self, ref: str) -> Detail:
        """Where it could be and why not elsewhere, in numbers, and what would make it fit; waiting or placed."""
        ...

    def create(self, template: Mapping[str, Any], call: Call, hold: bool = False) -> Accepted:
        """OpenNebula's attributes: NAME, CPU, VCPU, MEMORY (MiB), DISK=[…], NIC=[…], CONTEXT, GRAPHICS, …; those not
        known are kept as given.
        """
        ...

    def hold(self, ref: str, call: Call) -> Accepted: ...
    def release(self, ref: str, call: Call) -> Accepted: ...
    def deploy(self, ref: str, host: str, call: Call, force: bool = False) -> Accepted:
        """`force`: also against the rules of its VM group."""
        ...

    def poweroff(self, ref: str, call: Call, hard: bool = False) -> Accepted: ...
    def resume(self, ref: str, call: Call) -> Accepted: ...
    def suspend(self, ref: str, call: Call) -> Accepted:
        """The memory is kept on the host, where the VM keeps its place."""
        ...

    def stop(self, ref: str, call: Call) -> Accepted:
        """The memory is kept beside the disks, and the VM leaves its host."""
        ...

    def undeploy(self, ref: str, call: Call, hard: bool = False) -> Accepted:
        """Off, and away from its host; its disks are kept."""
        ...

    def resched(self, ref: str, call: Call) -> Accepted:
        """Mark it: the scheduler moves it to another host as soon as one can take it."""
        ...

    def unresched(self, ref: str, call: Call) -> Accepted: ...
    def reboot(self, ref: str, call: Call, hard: bool = False) -> Accepted: ...
    def migrate(self, ref: str, host: str, call: Call, live: bool = False, force: bool = False, hard: bool = False) -> Accepted:
        """`host` "" lets the scheduler choose. `force`: also against the rules of its VM group. `hard`: a running one that is
        not moved `live` is switched off, without asking its guest.
        """
        ...

    def terminate(self, ref: str, call: Call, hard: bool = False, delete_disks: bool = False) -> Accepted:
        """`delete_disks`: also the files that were the disks of an adopted VM, which stay otherwise."""
        ...

    def adopt(self, host: str, domain: str, call: Call, name: str = "") -> Accepted:
        """Take a domain that somebody else made under management, by its name or UUID, running or not: the engine knows it
        from now on, and nothing changes on the host. `name` "": the domain's own.
        """
        ...

    def disown(self, ref: str, call: Call) -> Accepted:
        """Let go of an adopted VM; its domain stays as it is."""
        ...

    def disk_saveas(self, ref: str, disk: str, name: str, call: Call, snapshot: str = "") -> Accepted:
        """An image of what a disk holds while the VM is off, or, at any time, held when the snapshot of it was made."""
        ...

    def save(self, ref: str, name: str, call: Call, persistent: bool = False) -> Accepted:
        """A template of that name, of a VM that is off: it makes VMs like this one, of images of its disks (NAME-disk-0 …), or,
        where these are `persistent`, one VM at a time, which writes them.
        """
        ...

    def clone(self, ref: str, name: str, call: Call, hold: bool = False) -> Accepted:
        """A VM of that name like this one, which is off, of images of its disks (NAME-disk-0 …)."""
        ...

    def backup(self, ref: str, call: Call, datastore: str = "", full: bool = False) -> Accepted:
        """Bring its disks, as they are at one moment, to a datastore of backups ("": the one of its last backup, or the only
        one). Running: what was written since the last one, if its host knows that, else, or with `full`, everything.
        """
        ...

    def restore(self, ref: str, backup: str, call: Call) -> Accepted:
        """The disks of a VM that is off hold again what they held when the backup was made."""
        ...

    def snapshots(self, ref: str) -> Listing:
        """What is kept of its memory and disks: id, name, created."""
        ...

    def snapshot_create(self, ref: str, name: str, call: Call) -> Accepted:
        """Keep memory and disks of a running VM, all of them qcow2; `name` "" gives it one."""
        ...

    def snapshot_revert(self, ref: str, snapshot: str, call: Call) -> Accepted:
        """A running VM goes on from what was kept."""
        ...

    def snapshot_delete(self, ref: str, snapshot: str, call: Call) -> Accepted: ...
    def snapshot_rename(self, ref: str, snapshot: str, name: str, call: Call) -> Accepted: ...
    def disk_snapshots(self, ref: str, disk: str) -> Listing:
        """The tree of a disk's snapshots: id, name, parent, active, created. `disk`: its id, or its name in the guest."""
        ...

    def disk_snapshot_create(self, ref: str, disk: str, name: str, call: Call) -> Accepted:
        """Keep what the disk holds now; `name` "" gives it one."""
        ...

    def disk_snapshot_revert(self, ref: str, disk: str, snapshot: str, call: Call) -> Accepted:
        """The disk of a VM that is off holds again what it held then; what came since and has no snapshot is lost."""
        ...

    def disk_snapshot_delete(self, ref: str, disk: str, snapshot: str, call: Call) -> Accepted:
        """Those that came after it, and the disk, stay as they are."""
        ...

    def disk_snapshot_rename(self, ref: str, disk: str, snapshot: str, name: str, call: Call) -> Accepted: ...
    def recover(
        self, ref: str, operation: Literal["failure", "success", "retry", "delete", "recreate", "delete-db"], call: Call
    ) -> Accepted: ...
    def rename(self, ref: str, name: str, call: Call) -> Accepted: ...
    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """Change attributes that need no host: AUTOSTART, DESCRIPTION, SCHED_REQUIREMENTS, VMGROUP, any of one's own; of a VM
        that is off what it is started with, too: OS, FEATURES, GRAPHICS, VIDEO, INPUT, CPU_MODEL, RAW …, each as a whole; and
        CONTEXT, key by key, of which an empty one is taken away: a job gives a running guest the new CD.
        """
        ...

    def resize(self, ref: str, changes: Mapping[str, Any], call: Call, enforce: bool = True) -> Accepted:
        """`changes`: CPU, VCPU, MEMORY (MiB). Running: up to VCPU_MAX and MEMORY_MAX. `enforce`: only as far as its host has
        room.
        """
        ...

    def disk_attach(self, ref: str, disk: Mapping[str, Any], call: Call) -> Accepted:
        """`disk`: OpenNebula's DISK."""
        ...

    def disk_detach(self, ref: str, disk: str, call: Call) -> Accepted:
        """`disk`: its id, or its name in the guest. A disk of the VM's own is deleted; an image stays."""
        ...

    def disk_resize(self, ref: str, disk: str, size_mib: int, call: Call) -> Accepted:
        """Disks only grow."""
        ...

    def disk_move(self, ref: str, disk: str, datastore: str, call: Call) -> Accepted:
        """Bring a disk to another datastore, whole, under the running guest or while it is off; what it was made of stays, and
        a persistent image comes along.
        """
        ...

    def cd_change(self, ref: str, image: str, call: Call, disk: str = "") -> Accepted:
        """Put a CD into the VM's drive; `image` "" takes out what is in it."""
        ...

    def nic_attach(self, ref: str, nic: Mapping[str, Any], call: Call) -> Accepted:
        """`nic`: OpenNebula's NIC; with PARENT, the name, number or MAC address of a card, its NIC_ALIAS."""
        ...

    def nic_detach(self, ref: str, nic: str, call: Call) -> Accepted:
        """`nic`: the name, number or MAC address of a card, which takes its aliases along, or of an alias."""
        ...

    def nic_update(self, ref: str, nic: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """Change a card's bandwidth: INBOUND_AVG_BW, INBOUND_PEAK_BW, INBOUND_PEAK_KB and the same OUTBOUND."""
        ...

    def pci_attach(self, ref: str, pci: Mapping[str, Any], call: Call) -> Accepted:
        """`pci`: OpenNebula's PCI; the VM is off, and has the device at its next start."""
        ...

    def pci_detach(self, ref: str, pci: str, call: Call) -> Accepted:
        """`pci`: the name or number of a device, or its address on the VM's host. A card gives its lease back."""
        ...

    def log(self, ref: str) -> Lines: ...
    def history(self, ref: str) -> Listing: ...
    def console(self, ref: str) -> ByteStream: ...
    def graphics(self, ref: str) -> Tunnel: ...
    def definition(self, ref: str) -> str:
        """Its domain as the host has it now, in libvirt's XML, without passwords."""
        ...

    def screenshot(self, ref: str) -> bytes:
        """What its screen shows now, as a PNG."""
        ...

    def addresses(self, ref: str) -> Addresses:
        """Addresses that a running guest has: those leased to it, its agent's, and what its host has seen of it."""
        ...

    def execute(self, ref: str, command: Sequence[str], call: Call, stdin: bytes = b"") -> int:
        """Have the guest's agent start a program; its process's number in the guest."""
        ...

    def executed(self, ref: str, pid: int, call: Call, wait: float = 0.0) -> Executed:
        """How it is, after at most `wait` seconds (up to 10); its end is told once. ConflictError: nobody knows it."""
        ...

    def kill(self, ref: str, pid: int, call: Call) -> None:
        """End it hard."""
        ...

    def open_file(self, ref: str, path: str, mode: Literal["read", "write"], call: Call) -> int:
        """Open a file in the guest; a handle. `write` empties it."""
        ...

    def read_file(self, ref: str, handle: int, offset: int, count: int, call: Call) -> FilePart:
        """At most 1 MiB of it."""
        ...

    def write_file(self, ref: str, handle: int, offset: int, data: bytes, call: Call) -> int:
        """How many bytes were taken: 64 KiB at most."""
        ...

    def close_file(self, ref: str, handle: int, call: Call) -> None:
        """All that was written is in the guest's file after it."""
        ...
