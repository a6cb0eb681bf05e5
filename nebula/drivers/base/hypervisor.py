"""The contract of drivers of hypervisors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base.host import HostHandle, Progress
from nebula.model.backup import BackupRequest
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainStats
from nebula.model.found import FoundDomain
from nebula.model.guest import GuestAddress, Picture
from nebula.model.host import Finding, HostFacts


class HypervisorCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a hypervisor driver can do."""

    live_migration: bool
    storage_migration: bool
    """Live migration that copies local disks."""
    events: bool
    console: bool
    graphics: bool
    saves_memory: bool
    """A domain's memory can be kept in a file, from which the domain goes on later."""
    hot_buses: tuple[str, ...]
    """Buses into which disks are plugged while a domain runs."""
    hot_cards: bool
    """Cards are plugged while a domain runs."""
    hot_resize: bool
    """vCPUs and memory of a running domain change, up to its maximum."""
    dirty_rates: bool = False
    """How fast guests write to their memory can be measured."""
    agent: bool
    """It carries commands to the guest's own agent."""
    screenshots: bool
    media: bool
    """A running guest can be given another content of one of its CDs."""
    snapshots: bool = False
    """A running domain's memory and disks can be kept together, within its qcow2 disks, and the domain can go back to them."""
    disk_layers: bool = False
    """A running guest can go on in another layer of its disk, and layers can be merged under it."""
    backups: bool = False
    """A running domain's disks can be copied as they are at one moment, whole or what changed since an earlier one."""
    copies_disks: bool = False
    """A running guest's disk can be copied to another place, and the guest goes on there."""


class Subscription(Protocol):
    """Events flow until it is closed."""

    def close(self) -> None:
        """Stop; doing so twice is fine."""
        ...

    def alive(self) -> bool:
        """Whether events still flow."""
        ...


class ConsoleStream(Protocol):
    """A domain's serial console."""

    def read(self, timeout: float) -> bytes:
        """The next bytes, b"" when `timeout` seconds passed without any; EOFError when the console ended."""
        ...

    def write(self, data: bytes) -> None:
        """Type."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


Tunnel = Literal["ssh", "tls", "plain"]
"""How a live migration's data travels: see MigrationRequest."""
TUNNELS: tuple[Tunnel, ...] = get_args(Tunnel)


class MigrationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A live migration from this driver's host to `target`.

    `copy_targets`: the disks' guest names (vda …) whose content must be copied because the storage is not shared.
    `shared_unsafe`: the disks are on shared storage that libvirt may not recognise as such.
    `tunnel`: "tls", "ssh" (through the hosts' own ssh) or "plain" (only on a network that the cluster trusts).
    `bandwidth_mib`: MiB/s, 0 unlimited.
    """

    uuid: str
    target: HostHandle
    copy_targets: tuple[str, ...] = ()
    shared_unsafe: bool = False
    tunnel: Tunnel = "ssh"
    bandwidth_mib: int = 0
    auto_converge: bool = True
    converge: tuple[int, int] = (0, 0)
    """By how many percent a guest that writes too fast is slowed down at first, and by how many more each time; 0: as the
    hypervisor does.
    """
    compressed: bool = False
    """Memory pages that go again are sent as what changed in them."""
    disk_paths: tuple[tuple[str, str], ...] = ()
    """(guest name, path on the target) where a path differs between the hosts."""
    kernel: str = ""
    initrd: str = ""
    """Where the target has what is booted; empty: where this host has it."""
    pins: tuple[str, ...] = ()
    """The target's CPUs for each vCPU; empty: as here."""
    host_nodes: tuple[int, ...] = ()
    """The target's NUMA node for the memory of each of the guest's nodes; empty: as here."""


class DiskCopyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A running domain's disk of the guest name `target` is to go on at `path`, which is there, of that format, as large as the
    disk, and used by nobody. `bandwidth_mib`: MiB/s, 0 unlimited.
    """

    uuid: str
    target: str
    path: str
    format: str
    bandwidth_mib: int = 0


class MigrationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A migration under way; bytes, milliseconds."""

    total: int
    done: int
    remaining: int
    downtime_ms: int = 0


class Hypervisor(Protocol):
    """Domains of one host, by UUID."""

    @property
    def capabilities(self) -> HypervisorCapabilities:
        """What it can do."""
        ...

    def facts(self) -> HostFacts:
        """What the host is."""
        ...

    def preflight(self) -> list[Finding]:
        """What is missing for domains to run here, with the commands that mend it."""
        ...

    def start(self, spec: DomainSpec) -> None:
        """Define the domain (persistent, no autostart) and start it. Running already: nothing. Defined and off:
        defined anew and started, or, where the host kept its memory, let go on from that. Paused as the remains of an
        incoming migration: ConflictError.
        """
        ...

    def lookup(self, uuid: str) -> DomainReality | None:
        """The domain, or None if the host has none of that UUID."""
        ...

    def domains(self) -> list[DomainReality]:
        """All domains, ours and others'."""
        ...

    def shutdown(self, uuid: str) -> None:
        """Ask the guest to power off (ACPI, or its agent); returns at once."""
        ...

    def destroy(self, uuid: str) -> None:
        """Power off hard. Off already or not there: nothing."""
        ...

    def undefine(self, uuid: str) -> None:
        """Forget a domain that is off (NVRAM, snapshot and checkpoint metadata included). Not there: nothing."""
        ...

    def inspect(self, uuid: str) -> FoundDomain:
        """What a domain is made of, whoever made it, from its definition. NotFoundError."""
        ...

    def definition(self, uuid: str) -> str:
        """A domain as the host has it now, in libvirt's XML, without passwords. NotFoundError."""
        ...

    def start_defined(self, uuid: str) -> None:
        """Start a domain as it is defined; where the host kept its memory, it goes on from that. Running: nothing.
        NotFoundError; paused as the remains of an incoming migration: ConflictError.
        """
        ...

    def delete_files(self, paths: Sequence[str]) -> None:
        """Delete files that were disks of a domain which is gone; ConflictError, and none is deleted, if another domain of
        the host has one. Not there: nothing.
        """
        ...

    def save(self, uuid: str, path: str = "", *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """Write the domain's memory to a file and end the domain: to a file that the host keeps for it ("": `saved` of the
        domain says so), or to `path` in a directory that is there. Running, paused, or off with memory kept by the host.
        Saved so already: nothing; off otherwise: ConflictError. On failure the domain is as it was. A save that is under
        way already (an engine died) is followed, not started twice.
        """
        ...

    def restore(self, spec: DomainSpec, path: str = "", *, paused: bool = False) -> None:
        """Let the domain go on from its memory, which the host kept ("") or `save` wrote to `path`; `paused`: it waits for
        `unpause`. Where `path` is given, the domain is defined by `spec` before, and the file stays. Running or paused
        already: nothing. No such memory: ConflictError.
        """
        ...

    def attach_disk(self, spec: DomainSpec, disk_id: int) -> None:
        """Plug that disk of `spec` into the running domain, now and in its definition. There already: nothing.
        ConflictError: the domain is off.
        """
        ...

    def detach_disk(self, uuid: str, target: str) -> bool:
        """Ask the guest to let go of the disk of that guest name (vdb); True once it is out of the domain and of its
        definition. Not there: True. Called again while it is not.
        """
        ...

    def load_cd(self, uuid: str, target: str, path: str) -> None:
        """Put the file into the running domain's CD drive of that guest name, now and in its definition; "" empties it.
        In it already: nothing. The guest's lock on the drive is broken.
        """
        ...

    def attach_card(self, spec: DomainSpec, nic_id: int) -> None:
        """Like attach_disk."""
        ...

    def detach_card(self, uuid: str, mac: str) -> bool:
        """Like detach_disk."""
        ...

    def update_card(self, spec: DomainSpec, nic_id: int) -> None:
        """Give the running domain's card the bandwidth that `spec` says, now and in its definition."""
        ...

    def resize(self, uuid: str, *, vcpus: int, memory_mib: int, cpu_share: int) -> None:
        """Give the running domain so much, now and in its definition; `cpu_share` in hundredths of a core. So already:
        nothing. ConflictError: above its maximum, or the guest does not follow.
        """
        ...

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """Let the running domain's disk grow to `size` bytes, and tell the guest. As large already: nothing."""
        ...

    def reboot(self, uuid: str) -> None:
        """Ask the guest to reboot."""
        ...

    def reset(self, uuid: str) -> None:
        """Reset hard."""
        ...

    def pause(self, uuid: str) -> None:
        """Stop the vCPUs."""
        ...

    def unpause(self, uuid: str) -> None:
        """Let the vCPUs go on."""
        ...

    def migrate(self, request: MigrationRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """Live-migrate, peer to peer; returns when the guest runs at the target and is gone here. On failure the guest
        runs on here and nothing is left at the target. A migration of the same domain that is under way already (an
        engine died) is followed, not started twice.
        """
        ...

    def migration_progress(self, uuid: str) -> MigrationProgress | None:
        """How far an outgoing migration of the domain is; None if there is none."""
        ...

    def abort_migration(self, uuid: str) -> None:
        """End an outgoing migration; the guest runs on here. None under way: nothing."""
        ...

    def statistics(self) -> list[DomainStats]:
        """Counters of all running domains in one call that never waits for a stuck one."""
        ...

    def dirty_rates(self, uuids: Sequence[str]) -> dict[str, float]:
        """How fast these domains write to their memory, MiB/s, by a look at samples of it; takes some seconds. Those that are
        off, are not there, or do not say in time are left out.
        """
        ...

    def subscribe(self, callback: Callable[[DomainEvent], None]) -> Subscription:
        """Push events; `callback` is called from a thread of the driver and must not block."""
        ...

    def console(self, uuid: str) -> ConsoleStream:
        """Attach to the serial console, taking it over from whoever has it."""
        ...

    def graphics(self, uuid: str) -> tuple[str, str, int]:
        """(type, address, port) at which the host serves the domain's graphical console."""
        ...

    def ask_agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout: float) -> Any:
        """What the guest's own agent (QEMU's) answers to one command of its protocol, within `timeout` seconds.
        ConflictError if no agent answers; NebulaError with the agent's own words if it refuses.
        """
        ...

    def addresses(self, uuid: str) -> list[GuestAddress]:
        """Addresses of a running guest that its agent tells, or that the host has seen of it; the agent's first."""
        ...

    def screenshot(self, uuid: str) -> Picture:
        """What a running domain's first screen shows. NotFoundError if it has none."""
        ...

    def renew_medium(self, uuid: str, path: str) -> bool:
        """The file of one of the running domain's CDs was written anew: the guest sees that the medium was changed. False if
        the domain has no such CD, or is off.
        """
        ...

    def snapshot(self, uuid: str, name: str) -> None:
        """Keep the running domain's memory and disks under that name; the guest stands still meanwhile, and goes on. Kept
        already: nothing.
        """
        ...

    def revert(self, uuid: str, name: str) -> None:
        """The domain goes on, running, from what was kept under that name. NotFoundError: nothing was."""
        ...

    def delete_snapshot(self, uuid: str, name: str) -> None:
        """Forget what was kept under that name; the domain runs or is off. Nothing was, or no such domain: nothing."""
        ...

    def disk_source(self, uuid: str, target: str) -> str:
        """The file of the domain's disk of that guest name (vda …); "" if it has no such disk or is not there."""
        ...

    def switch_disk(self, uuid: str, target: str, path: str) -> None:
        """The running guest goes on in that file, an empty qcow2 layer on the one that it wrote to until now, at one moment
        and with its file systems at rest where its agent is there. Off: its definition names that file from now on. So
        already: nothing. NotFoundError: no such domain; ConflictError: it has no such disk.
        """
        ...

    def pull_disk(
        self, uuid: str, target: str, gone: str, base: str, *, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """What lies in the layers of the running guest's disk between its own one and `base` ("": all) comes into its own one,
        until the file `gone` is no part of the disk any more. So already: nothing; under way: followed. ConflictError: off.
        """
        ...

    def uses_disk(self, uuid: str, target: str, path: str) -> bool:
        """Whether the domain's disk of that guest name is at `path`; off: by its definition. No such domain: False."""
        ...

    def copy_disk(self, request: DiskCopyRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """Copy a running domain's disk, and return once both places hold the same: whatever the guest writes goes to both from
        then on. Under way already (an engine died): followed; the guest is there already: nothing. What was remembered for
        backups is forgotten. On failure the guest goes on where it was; ConflictError: it is off, or was ended meanwhile.
        """
        ...

    def take_copy(self, request: DiskCopyRequest) -> None:
        """The guest goes on at the copy, now and in its definition, and what it had is used no more. There already: nothing.
        ConflictError: both places do not hold the same.
        """
        ...

    def drop_copy(self, uuid: str, target: str) -> None:
        """End a copy, however far it came: the guest goes on where it was. None under way, off, not there: nothing."""
        ...

    def name_disk(self, request: DiskCopyRequest) -> None:
        """The definition of a domain that is off says that its disk is at `request.path`. So already, not there: nothing.
        ConflictError: it runs, or has no such disk.
        """
        ...

    def begin_backup(self, request: BackupRequest) -> bool:
        """Let the running domain's disks be copied to new files as they are at this moment, while the guest goes on; whether
        its file systems were at rest. Under way or done already: nothing but that they do not stay so. ConflictError: off.
        NotFoundError: what was written since `request.since` is not known (any more).
        """
        ...

    def follow_backup(self, uuid: str, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """Wait until the copies are whole. ConflictError: they will not be, as the guest was ended meanwhile. Where `cancel`
        is set it goes on until `end_backup`.
        """
        ...

    def end_backup(self, uuid: str, checkpoint: str) -> None:
        """Let go of a backup, however far it came: the guest runs on with its file systems as usual, nothing is copied any
        more, and what was written since the checkpoint before is known as if it had not been. None: nothing.
        """
        ...

    def forget_checkpoint(self, uuid: str, checkpoint: str) -> None:
        """Remember no more what the guest wrote since; what was written since later ones stays known. Not there: nothing."""
        ...

    def baseline(self, cpus: Sequence[str]) -> str:
        """A `<cpu>` element that every one of the hosts' CPUs (`HostFacts.cpu_xml`) can run."""
        ...

    def close(self) -> None:
        """Let go of the host."""
        ...
