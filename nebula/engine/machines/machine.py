"""What a VM's row keeps in its body, typed."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula import typed
from nebula.engine.machines.disks import Disk
from nebula.engine.store.rows import VmRow
from nebula.model.found import FoundCard, FoundDisk


class Leased(msgspec.Struct, kw_only=True):
    """What a card, a virtual function or an alias has of its lease."""

    nic_id: int
    """All of them are counted together."""
    network_id: int
    network: str
    mac: str
    ip: str = ""
    ip6: str = ""
    prefix_length6: int = 0
    """0: its network's."""
    ip6_ula: str = ""
    """Beside a global one in `ip6`."""


class Alias(Leased, kw_only=True):
    """Further addresses of a card's guest, leased by a network of their own; no hypervisor knows of them. The guest sends from
    its card's MAC address, not from the lease's.
    """

    alias_id: int
    """Counted for each card, from 0."""
    name: str
    external: bool = False
    """Others lead it to the card: the guest need not set it up."""
    asked: dict[str, Any] = msgspec.field(default_factory=dict)
    """What was said of it."""


class Nic(Leased, kw_only=True):
    """A VM's card: which network, which addresses, which tap."""

    tap: str
    model: str = "virtio"
    queues: int = 0
    """-1: as many as vCPUs."""
    filter: str = ""
    grouped: bool = False
    """It names security groups itself; which, its lease knows."""
    guest_mtu: int = 0
    inbound: tuple[int, int, int] = (0, 0, 0)
    outbound: tuple[int, int, int] = (0, 0, 0)
    """KiB/s on average and at the peak, KiB of a burst; 0: not limited."""
    name: str = ""
    """As it was asked for; see `title`."""
    aliases: list[Alias] = msgspec.field(default_factory=list)
    asked: dict[str, Any] | None = None
    """What was said of it when it was attached, or changed since; None: what the template says of a card of its number."""

    @property
    def title(self) -> str:
        """Its name, by which aliases and commands know it."""
        return self.name or f"NIC{self.nic_id}"


class PassthroughNic(Leased, kw_only=True):
    """A virtual function of a card of the host that the guest has as its own; the host has no tap of it."""

    pci: int
    """Which of the PCI devices that the template asks for it is."""
    name: str
    asked: dict[str, Any] = msgspec.field(default_factory=dict)
    """What was said of it."""


class Waiting(msgspec.Struct, kw_only=True):
    """Why the scheduler left the VM waiting, as it was last told: in one line, and the tests that hosts failed."""

    summary: str
    tests: list[str] = msgspec.field(default_factory=list)
    at: float = 0.0


class Adopted(msgspec.Struct, kw_only=True):
    """What the domain of an adopted VM had when it was taken over. Its definition stays as it is; `domain`: its name."""

    domain: str
    disks: list[FoundDisk] = msgspec.field(default_factory=list)
    cards: list[FoundCard] = msgspec.field(default_factory=list)
    graphics: str = ""

    def own_files(self) -> list[str]:
        """The files of its disks, to which only the guest writes."""
        return [disk.path for disk in self.disks if disk.is_own_file]


class Snapshot(msgspec.Struct, kw_only=True):
    """The VM's memory and disks at one moment, which its host keeps within the disks."""

    snapshot_id: int
    name: str
    created: float = 0.0


class Chain(msgspec.Struct, kw_only=True):
    """What the next backup can build on: the last one, the host whose QEMU remembers under `checkpoint` what was written
    since, and the disks as they were: (id, layer, bytes). `broken`: why it cannot.
    """

    backup_id: int
    datastore_id: int
    host_id: int
    checkpoint: str
    disks: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    increments: int = 0
    """How many there are in a row."""
    broken: str = ""


class Machine(msgspec.Struct, kw_only=True):
    """The body of a VM's row. `template` is as given (regular form); the rest was made from it."""

    template: dict[str, Any] = msgspec.field(default_factory=dict)
    disks: list[Disk] = msgspec.field(default_factory=list)
    nics: list[Nic] = msgspec.field(default_factory=list)
    passthrough: list[PassthroughNic] = msgspec.field(default_factory=list)
    waiting: Waiting | None = None
    adopted: Adopted | None = None
    """A VM that somebody else made: it has neither disks nor cards of ours."""
    prefer_host: int = -1
    hold: bool = False
    """It waits on hold once its images are there."""
    left_on: list[int] = msgspec.field(default_factory=list)
    """Hosts on which a migration that failed may have left something."""
    snapshots: list[Snapshot] = msgspec.field(default_factory=list)
    snapshots_made: int = 0
    """The highest number that a snapshot had; none is used twice."""
    chain: Chain | None = None
    """None: it has no backup, or never had one that others could build on."""
    memory: bool = False
    """It is stopped, and its memory is kept beside its disks."""
    token: str = ""
    """The secret by which its guest is known to OneGate; "" for one that has none."""
    reported: dict[str, Any] = msgspec.field(default_factory=dict)
    """What its guest said of itself through OneGate."""
    label: str = ""
    """The set of declarations that it was made for."""
    failures: int = 0
    """Failed deploys in a row, for the back-off."""
    not_before: float = 0.0
    """The scheduler leaves it alone until then."""

    @property
    def disk_ids(self) -> list[int]:
        """The numbers of its disks."""
        return [disk.disk_id for disk in self.disks]

    @property
    def nic_ids(self) -> list[int]:
        """The numbers of its cards."""
        return [nic.nic_id for nic in self.nics]

    @property
    def aliases(self) -> list[Alias]:
        """Those of all its cards."""
        return [alias for nic in self.nics for alias in nic.aliases]

    @property
    def network_ids(self) -> list[int]:
        """The networks of its cards and aliases, one for each."""
        return [held.network_id for held in self._leased]

    def next_nic_id(self) -> int:
        """The number of a further card or alias."""
        return 1 + max((held.nic_id for held in self._leased), default=-1)

    @property
    def _leased(self) -> list[Leased]:
        return [*self.nics, *self.passthrough, *self.aliases]

    def boots_without(self, name: str) -> None:
        """What is gone (disk1, nic0) is no more in the order in which it boots."""
        system = self.template.get("OS", {})
        names = [item.strip() for item in str(system.get("BOOT", "")).split(",")]
        if name in names:
            self.template["OS"] = {**system, "BOOT": ",".join(item for item in names if item != name)}

    @property
    def context(self) -> dict[str, str]:
        """CONTEXT of the template, as text."""
        return {str(key): "" if value is None else str(value) for key, value in self.template.get("CONTEXT", {}).items()}

    def said_of_disk(self, disk: Disk) -> dict[str, Any]:
        """What was said of a disk: when the VM was made, when the disk was attached, or since."""
        if disk.asked is not None:
            return disk.asked
        asked = self.template.get("DISK") or []
        if disk.disk_id < len(asked):
            found: dict[str, Any] = asked[disk.disk_id]
            return found
        return {"IMAGE_ID": str(disk.image_id)} if disk.image_id > 0 else {"SIZE": str(disk.size >> 20), "FORMAT": disk.format}

    def card(self, nic: Nic) -> dict[str, Any]:
        """What is said of a card, what it has of all cards included."""
        return {**(self.template.get("NIC_DEFAULT") or {}), **self.said_of(nic)}

    def said_of(self, nic: Nic) -> dict[str, Any]:
        """What was said of a card alone: when the VM was made, when the card was attached, or since."""
        if nic.asked is not None:
            return nic.asked
        asked = self.template.get("NIC") or []
        return asked[nic.nic_id] if nic.nic_id < len(asked) else {"NETWORK_ID": str(nic.network_id)}


def addresses_of(machine: Machine) -> str:
    """What a VM's row says of its addresses: those of its cards first."""
    held: list[Leased] = [*machine.nics, *machine.passthrough, *machine.aliases]
    return ",".join(one.ip or one.ip6 for one in held if one.ip or one.ip6)[:255]


def machine_of(vm: VmRow) -> Machine:
    """The typed body."""
    return typed.convert(vm.body, Machine)


def template_of(vm: VmRow) -> dict[str, Any]:
    """The template alone, for who only looks at it."""
    found: dict[str, Any] = vm.body.get("template") or {}
    return found


def body_of(machine: Machine) -> dict[str, Any]:
    """Back to what the row keeps."""
    body: dict[str, Any] = msgspec.to_builtins(machine)
    return body
