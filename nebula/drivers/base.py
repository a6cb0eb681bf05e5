"""The contracts of the drivers: one Protocol and one Capabilities struct a kind.

All methods are synchronous, are called from worker threads, may be called again after a crash from their start
(idempotent: they look before they act), and raise only errors of the one tree. `progress(done, total)` counts bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from nebula.cancel import CancelToken
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainStats
from nebula.model.host import Finding, HostFacts, HostSample
from nebula.model.network import NetworkSpec, NicSpec
from nebula.model.storage import DatastoreUsage, DiskSpec, ImageProbe, ImageSpec
from nebula.transport.base import Forward, Transport

Progress = Callable[[int, int], None]


class HostHandle(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver needs to know of a host to act on it."""

    host_id: int
    name: str
    address: str
    """How its peers reach it; empty for a lone local machine."""
    user: str
    """The login that peers and the engine use."""
    port: int
    virt: Literal["kvm", "qemu"]
    root: str
    """Directory on the host that holds everything of ours: /var/lib/nebula."""
    transport: Transport
    migration_address: str = ""
    """Where migration data should arrive; empty: `address`."""


# --- hypervisor ---------------------------------------------------------------------------------------------------


class HypervisorCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a hypervisor driver can do."""

    live_migration: bool
    storage_migration: bool
    """Live migration that copies local disks."""
    events: bool
    console: bool
    graphics: bool


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
    tunnel: Literal["tls", "ssh", "plain"] = "ssh"
    bandwidth_mib: int = 0
    auto_converge: bool = True
    disk_paths: tuple[tuple[str, str], ...] = ()
    """(guest name, path on the target) where a path differs between the hosts."""


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
        defined anew and started. Paused as the remains of an incoming migration: ConflictError.
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

    def subscribe(self, callback: Callable[[DomainEvent], None]) -> Subscription:
        """Push events; `callback` is called from a thread of the driver and must not block."""
        ...

    def console(self, uuid: str) -> ConsoleStream:
        """Attach to the serial console, taking it over from whoever has it."""
        ...

    def graphics(self, uuid: str) -> tuple[str, str, int]:
        """(type, address, port) at which the host serves the domain's graphical console."""
        ...

    def baseline(self, cpus: Sequence[str]) -> str:
        """A `<cpu>` element that every one of the hosts' CPUs (`HostFacts.cpu_xml`) can run."""
        ...

    def close(self) -> None:
        """Let go of the host."""
        ...


# --- datastore ----------------------------------------------------------------------------------------------------


class DatastoreCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a datastore driver can do, and how it sees its hosts."""

    shared: bool
    """All hosts see the same files: a live migration copies no disk."""
    formats: tuple[str, ...]
    linked_clones: bool
    live_copy: bool
    """Disks can be copied to another host while the VM runs."""


class Datastore(Protocol):
    """One datastore. Every method names the host on which it acts."""

    @property
    def capabilities(self) -> DatastoreCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle) -> list[Finding]:
        """Whether the host can use the datastore: path, rights, tools, space."""
        ...

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """Space as this host sees it."""
        ...

    def staging_path(self, host: HostHandle, image: ImageSpec) -> str:
        """Where an upload of this image is put before it is probed."""
        ...

    def probe(self, host: HostHandle, path: str, claimed: str = "") -> ImageProbe:
        """Look at an untrusted file: size and format, under limits of time and memory; ImageError if it lies about its
        format, refers to other files (backing, data file), is encrypted, or is not an image.
        """
        ...

    def take_in(
        self,
        host: HostHandle,
        image: ImageSpec,
        staged: str,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Make the staged, probed file the image's file; the staged file is gone after it."""
        ...

    def create_empty(self, host: HostHandle, image: ImageSpec) -> None:
        """An empty image of the given size (datablock)."""
        ...

    def has_image(self, host: HostHandle, image: ImageSpec) -> bool:
        """Whether the image's file is whole and reachable from this host."""
        ...

    def copy_image(
        self,
        source: HostHandle,
        target: HostHandle,
        image: ImageSpec,
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Bring the image to `target`, host to host, holes kept. There already: nothing. `job` names the work
        (job id and step) for the host-side lock of the long command.
        """
        ...

    def remove_image(self, host: HostHandle, image: ImageSpec) -> None:
        """Delete the image's file on this host. Not there: nothing."""
        ...

    def image_path(self, host: HostHandle, image: ImageSpec) -> str:
        """The image's file as the host sees it."""
        ...

    def disk_path(self, host: HostHandle, disk: DiskSpec) -> str:
        """The disk's file as the host sees it."""
        ...

    def create_disk(
        self, host: HostHandle, disk: DiskSpec, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """Make the disk (for persistent and cdrom: see that the image is there). There and whole already: nothing."""
        ...

    def write_context(self, host: HostHandle, vm_id: int, iso: bytes) -> str:
        """Put the VM's context CD beside its disks; returns its path. Mode 0600 (0640 where QEMU needs its group)."""
        ...

    def prepare_incoming(self, target: HostHandle, disks: Sequence[DiskSpec], context: bytes | None) -> None:
        """Before a live migration with block copy: empty disks of the same size and backing file at the target."""
        ...

    def move_vm(
        self,
        source: HostHandle,
        target: HostHandle,
        disks: Sequence[DiskSpec],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """Bring a stopped VM's disks and context to `target`, host to host; the source keeps its files. Images must
        have been brought before. Shared storage: nothing.
        """
        ...

    def remove_vm(self, host: HostHandle, vm_id: int, disks: Sequence[DiskSpec], *, keep_persistent: bool = True) -> None:
        """Delete the VM's directory on this host; a persistent disk's image stays unless `keep_persistent` is False
        (the VM moved to another host and this host's copy is the stale one). Not there: nothing.
        """
        ...

    def vm_ids(self, host: HostHandle) -> list[int]:
        """VMs that have a directory here, for the search for leaks."""
        ...


# --- network ------------------------------------------------------------------------------------------------------


class NetworkCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a network driver can do."""

    vlan: bool
    nat: bool
    security_groups: bool
    spans_hosts: bool
    """Guests on two hosts reach each other without help from outside."""


class Network(Protocol):
    """Virtual networks on hosts."""

    @property
    def capabilities(self) -> NetworkCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """Whether the host can carry the network; changes nothing."""
        ...

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """Before a VM starts: the bridge is there and up (made if owned; ConflictError if not owned and missing)."""
        ...

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM started: the tap exists; filters go here."""
        ...

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM left: the tap, if it is still there, and its filters are gone."""
        ...

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """Take an owned bridge away if no card is left on it; otherwise nothing."""
        ...

    def taps(self, host: HostHandle) -> list[str]:
        """Names of our taps on the host, for the search for leaks."""
        ...


# --- monitor ------------------------------------------------------------------------------------------------------


class Monitor(Protocol):
    """Counters of a host."""

    def sample(self, host: HostHandle) -> HostSample:
        """One round trip."""
        ...


__all__ = [
    "ConsoleStream",
    "Datastore",
    "DatastoreCapabilities",
    "Forward",
    "HostHandle",
    "Hypervisor",
    "HypervisorCapabilities",
    "MigrationProgress",
    "MigrationRequest",
    "Monitor",
    "Network",
    "NetworkCapabilities",
    "Progress",
    "Subscription",
]
