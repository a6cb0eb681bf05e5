"""The disks of a new VM: which image, what kind, what name in the guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import msgspec

from nebula import typed
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.machines.hardware.declared import THROTTLES
from nebula.engine.machines.hardware.group import Group
from nebula.engine.machines.template import mebibytes
from nebula.engine.store.rows import ImageRow
from nebula.errors import ConflictError, UsageError
from nebula.model.storage import FILES, DiskSpec, ImageSpec

if TYPE_CHECKING:
    from nebula.drivers.base import DatastoreCapabilities

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide"}
OWN_CACHE = frozenset({"none", "directsync"})
"""Caches of QEMU that go round the host's."""
MAX_DISKS = 64
MAX_DISK_MIB = 64 * 1024 * 1024


class DiskSnapshot(msgspec.Struct, kw_only=True):
    """What a disk held at one moment: the file `layer`, to which nobody writes any more, or what the disk keeps within itself
    by that number.
    """

    snapshot_id: int
    name: str
    parent: int = -1
    """The snapshot after which it was made; -1: none."""
    layer: int = 0
    created: float = 0.0
    inner: bool = False
    """The disk keeps it within itself."""


class Disk(msgspec.Struct, kw_only=True):
    """A VM's disk as its row keeps it. `size` in bytes, 0: the image's."""

    disk_id: int
    kind: str
    format: str
    size: int
    datastore_id: int
    target: str
    bus: str
    image_id: int = -1
    image: ImageSpec | None = None
    image_name: str = ""
    readonly: bool = False
    cache: str = "none"
    discard: str = "unmap"
    io: str = ""
    serial: str = ""
    filesystem: str = ""
    shareable: bool = False
    iothread: int = 0
    queues: int = 0
    """-1: as many as vCPUs."""
    limits: dict[str, int] = msgspec.field(default_factory=dict)
    """Throttles by libvirt's names."""
    snapshots: list[DiskSnapshot] = msgspec.field(default_factory=list)
    active: int = -1
    """The snapshot on which the guest goes on; -1: none."""
    layer: int = 0
    """The file that the guest writes to."""
    made: int = 0
    """The highest number that a snapshot or a layer had; none is used twice."""
    whole: bool = False
    """It was made of an image and lies on it no more: it was moved to another datastore with all that was seen through it."""
    asked: dict[str, Any] | None = None
    """What was said of it when it was attached, or changed since; None: what the template says of a disk of its number."""

    @property
    def empty(self) -> bool:
        """Whether it is a CD drive with nothing in it, which has no file anywhere."""
        return self.kind == "cdrom" and self.image is None

    def spec(self, vm_id: int) -> DiskSpec:
        """The disk as datastore drivers know it: one that lies on its image no more is one of no image to them."""
        files = [one for one in self.snapshots if not one.inner]
        return typed.convert(
            {
                "vm_id": vm_id,
                "disk_id": self.disk_id,
                "kind": "volatile" if self.whole else self.kind,
                "format": self.format,
                "size": self.size,
                "image": None if self.whole else msgspec.to_builtins(self.image),
                "filesystem": self.filesystem,
                "layer": self.layer,
                "below": next((one.layer for one in files if one.snapshot_id == self.active), -1),
                "frozen": sorted(one.layer for one in files),
            },
            DiskSpec,
        )


def image_spec(row: ImageRow) -> ImageSpec:
    """An image row as drivers know it."""
    return typed.convert(
        {
            "image_id": row.id,
            "uuid": row.uuid,
            "format": row.format,
            "size": row.size,
            "type": row.type,
            "persistent": bool(row.persistent),
            "source": row.body.get("lun", ""),
        },
        ImageSpec,
    )


def plan(
    attributes: list[Mapping[str, Any]],
    image_named: Callable[[str], ImageRow],
    system_datastore: Callable[[], int],
    sd_bus: str = "",
) -> tuple[list[Disk], list[ImageRow]]:
    """The disks for a template's DISK list, and the images that they use. `sd_bus`: the bus of sd disks, empty: scsi.

    Raises ConflictError for an image that cannot be used now, UsageError for what makes no sense.
    """
    if len(attributes) > MAX_DISKS:
        raise UsageError(f"a VM takes at most {MAX_DISKS} disks", cause=f"got {len(attributes)}", hint="leave some out")
    disks: list[Disk] = []
    images: list[ImageRow] = []
    taken = {str(item["TARGET"]) for item in attributes if item.get("TARGET")}
    if len(taken) < sum(1 for item in attributes if item.get("TARGET")):
        raise UsageError("two disks have the same TARGET", hint="leave TARGET out: names are chosen for you")
    for number, item in enumerate(attributes):
        Group("DISK", item, f"DISK {number}").check()
        if "IMAGE" in item or "IMAGE_ID" in item:
            image = image_named(str(item.get("IMAGE_ID", item.get("IMAGE"))))
            _usable(image, [other.id for other in images])
            disk = _from_image(number, item, image, taken)
            images.append(image)
        elif str(item.get("TYPE", "")).lower() == "cdrom" and not item.get("SIZE"):
            disk = _drive(number, item, system_datastore(), taken)
        else:
            disk = _volatile(number, item, system_datastore(), taken)
        taken.add(disk.target)
        if disk.bus == "scsi" and sd_bus:
            disk.bus = sd_bus
        disks.append(disk)
    return disks, images


def further(
    item: Mapping[str, Any],
    disks: Sequence[Disk],
    image_named: Callable[[str], ImageRow],
    system_datastore: Callable[[], int],
    sd_bus: str = "",
) -> tuple[Disk, ImageRow | None]:
    """A disk for a VM that has some already, and its image; see `plan`. The name of the context CD is left alone."""
    if len(disks) >= MAX_DISKS:
        raise UsageError(f"a VM takes at most {MAX_DISKS} disks", cause=f"it has {len(disks)}", hint="detach one first")
    have = {disk.target for disk in disks}
    if str(item.get("TARGET", "")) in have:
        raise UsageError(f"TARGET {item['TARGET']} is taken", hint="leave TARGET out: a name is chosen for you")
    made, images = plan([item], image_named, system_datastore, sd_bus)
    disk = made[0]
    disk.disk_id = max((other.disk_id for other in disks), default=-1) + 1
    disk.asked = dict(item)
    if not item.get("TARGET"):
        prefix = next(prefix for prefix in _BUSES if disk.target.startswith(prefix))
        disk.target = free_target(prefix, have | {free_target("sd", have)})
    return disk, images[0] if images else None


def suit(disk: Disk, asked: Mapping[str, Any], able: Callable[[int], DatastoreCapabilities]) -> None:
    """Give a disk a format and a size that its datastore has (`able`: what it can do, by its id); UsageError where another
    format was asked for.
    """
    if disk.format == "raw" and not disk.size:
        return
    known = able(disk.datastore_id)
    disk.size = rounded(disk.size, known.unit)
    if disk.format == "raw" or disk.format in known.formats:
        return
    if asked.get("FORMAT") or asked.get("DRIVER"):
        raise UsageError(
            f"disk {disk.disk_id}: its datastore has no {disk.format} disks",
            cause=f"it has {' and '.join(known.formats)}",
            hint=f"FORMAT: {known.formats[0]}, or leave it out",
        )
    disk.format = known.formats[0]


def moved_to(disk: Disk, datastore_id: int, able: DatastoreCapabilities) -> Disk:
    """The disk as it is in another datastore: with all that is seen through it, in a format that is there."""
    form = disk.format if disk.format in able.formats else able.formats[0]
    size = rounded(size_of(disk), able.unit)
    moved = msgspec.structs.replace(disk, datastore_id=datastore_id, format=form, size=size, layer=0, active=-1)
    if disk.kind == "persistent" and disk.image is not None:
        moved.image = msgspec.structs.replace(disk.image, format=form, size=size, source="")
        moved.size = 0
    moved.whole = disk.kind == "clone"
    return moved


def made_anew(disk: Disk, image: ImageRow) -> None:
    """A disk that lies on its image no more is made of it again, where that is."""
    disk.whole, disk.image, disk.format, disk.datastore_id = False, image_spec(image), image.format, image.datastore_id


def rounded(size: int, unit: int) -> int:
    """The size, bytes, that something has where sizes are multiples of `unit`."""
    return -(-size // unit) * unit


def size_of(disk: Disk) -> int:
    """Bytes that the guest sees."""
    return disk.size or (disk.image.size if disk.image else 0)


def _usable(image: ImageRow, used_here: list[int]) -> None:
    if image.type in FILES:
        use = {"context": "CONTEXT/FILES_DS", "kernel": "OS/KERNEL_DS", "ramdisk": "OS/INITRD_DS"}[image.type]
        raise UsageError(
            f"image {image.name} is a file of type {image.type} and no disk", hint=f"{use} = {image.name} is what it is for"
        )
    if image.state == ImageState.ERROR:
        raise ConflictError(f"image {image.name} is in ERROR", cause=image.error, hint=f"nebula image show {image.id}")
    if image.state in {ImageState.DELETE, ImageState.DISABLED}:
        raise ConflictError(f"image {image.name} is {ImageState(image.state).name}", hint="nebula image list")
    if image.persistent and (image.running_vms or image.id in used_here):
        raise ConflictError(
            f"image {image.name} is persistent and a VM uses it already",
            cause="a persistent image belongs to one VM at a time",
            hint=f"nebula image nonpersistent {image.id}, or use another image",
        )


def _from_image(number: int, item: Mapping[str, Any], image: ImageRow, taken: set[str]) -> Disk:
    kind = "cdrom" if image.type == "cdrom" else "persistent" if image.persistent else "clone"
    size = mebibytes(item, "SIZE", 0, MAX_DISK_MIB) << 20
    if size and kind != "clone":
        raise UsageError(
            f"disk {number}: SIZE does not fit image {image.name}",
            cause=f"a {kind} disk is the image itself",
            hint="leave SIZE out",
        )
    if size and image.size and size < image.size:
        raise UsageError(
            f"disk {number}: SIZE is smaller than image {image.name}",
            cause=f"{size >> 20} MiB asked, the image has {image.size >> 20} MiB",
            hint="disks only grow: ask for more, or leave SIZE out",
        )
    target, bus = _target(item, "sd" if kind == "cdrom" else "vd", taken)
    form = image.format if kind != "clone" else _format(number, item, image.format)
    return Disk(
        disk_id=number,
        kind=kind,
        format=form,
        size=size,
        datastore_id=image.datastore_id,
        target=target,
        bus="sata" if kind == "cdrom" and bus != "ide" else bus,
        image_id=image.id,
        image=image_spec(image),
        image_name=image.name,
        readonly=kind == "cdrom" or Group("DISK", item).flag("READONLY"),
        **_tuning(number, item, form),
    )


def _drive(number: int, item: Mapping[str, Any], datastore_id: int, taken: set[str]) -> Disk:
    """A CD drive with nothing in it."""
    target, bus = _target(item, "sd", taken)
    return Disk(
        disk_id=number, kind="cdrom", format="raw", size=0, datastore_id=datastore_id, target=target,
        bus="ide" if bus == "ide" else "sata", readonly=True, **_tuning(number, item, "raw"),
    )  # fmt: skip


def _volatile(number: int, item: Mapping[str, Any], datastore_id: int, taken: set[str]) -> Disk:
    if item.get("SIZE") in (None, ""):
        raise UsageError(f"disk {number} has neither IMAGE nor SIZE", hint="--disk size=10G, or --image NAME")
    filesystem = "swap" if str(item.get("TYPE", "fs")).lower() == "swap" else str(item.get("FS", "")).lower()
    form = _format(number, item, "raw" if filesystem else "qcow2")
    if filesystem not in {"", "swap", "ext2", "ext3", "ext4", "xfs"}:
        raise UsageError(
            f"disk {number}: FS must be ext2, ext3, ext4 or xfs", cause=f"got {filesystem[:40]!r}", hint="FS: ext4"
        )
    target, bus = _target(item, "vd", taken)
    size = mebibytes(item, "SIZE", 0, MAX_DISK_MIB) << 20
    return Disk(
        disk_id=number, kind="volatile", format=form, size=size, datastore_id=datastore_id, target=target, bus=bus,
        filesystem=filesystem, readonly=Group("DISK", item).flag("READONLY"), **_tuning(number, item, form),
    )  # fmt: skip


def _format(number: int, item: Mapping[str, Any], default: str) -> str:
    form = str(item.get("FORMAT") or item.get("DRIVER") or default).lower()
    if form not in {"raw", "qcow2"}:
        raise UsageError(f"disk {number}: FORMAT must be raw or qcow2", cause=f"got {form[:40]!r}", hint="FORMAT: qcow2")
    return form


def _shareable(asked: Group, form: str) -> bool:
    """Two guests that write one qcow2 file destroy it."""
    if asked.flag("SHAREABLE") and form != "raw":
        raise asked.refuse("SHAREABLE", f"a {form} file has one writer only", "FORMAT: raw")
    return asked.flag("SHAREABLE")


def _tuning(number: int, item: Mapping[str, Any], form: str) -> dict[str, Any]:
    asked = Group("DISK", item, f"DISK {number}")
    cache, way = asked.word("CACHE", "none"), asked.word("IO")
    if way == "native" and cache not in OWN_CACHE:
        raise asked.refuse("IO", f"native goes with CACHE none or directsync, not with {cache}", "IO: threads")
    return {
        "cache": cache,
        "discard": asked.word("DISCARD", "unmap"),
        "io": way,
        "serial": asked.word("SERIAL"),
        "shareable": _shareable(asked, form),
        "iothread": asked.number("IOTHREAD"),
        "queues": asked.number("VIRTIO_BLK_QUEUES"),
        "limits": _limits(asked),
    }


def _limits(asked: Group) -> dict[str, int]:
    """Throttles; libvirt takes a limit of the total or limits of reads and writes, and a burst only beside a limit."""
    found = {name.lower(): asked.number(name) for name in (*THROTTLES, "SIZE_IOPS_SEC") if asked.number(name)}
    for what in ("bytes", "iops"):
        total, parts = f"total_{what}_sec", (f"read_{what}_sec", f"write_{what}_sec")
        mixed = next((part for part in parts if part in found), "")
        if total in found and mixed:
            raise asked.refuse(mixed.upper(), f"{total.upper()} limits both already", "leave one of them out")
        for name in (total, *parts):
            if f"{name}_max" in found and found[f"{name}_max"] < found.get(name, 0):
                raise asked.refuse(
                    f"{name}_max".upper(), "a burst is above the limit", f"{name}_max: {2 * found[name]}".upper()
                )
            if f"{name}_max_length" in found and f"{name}_max" not in found:
                raise asked.refuse(f"{name}_max_length".upper(), f"it is for {name.upper()}_MAX", f"{name}_max: 1000".upper())
    return found


def _target(item: Mapping[str, Any], prefix: str, taken: set[str]) -> tuple[str, str]:
    target = str(item.get("TARGET", ""))
    prefix = str(item.get("DEV_PREFIX", target.rstrip("0123456789")[:-1] if target else prefix)).lower()
    if prefix not in _BUSES:
        raise UsageError(f"DEV_PREFIX {prefix[:20]!r} is not known", hint=f"use one of: {', '.join(_BUSES)}")
    if target and not (target.startswith(prefix) and target[len(prefix) :].isalpha() and len(target) <= 5):
        raise UsageError(f"TARGET {target[:20]!r} is no disk name", hint="for example vda")
    return target or free_target(prefix, taken), _BUSES[prefix]


def free_target(prefix: str, taken: set[str]) -> str:
    """The first free name with that prefix: vda to vdz, then vdaa."""
    return next(name for name in _names(prefix) if name not in taken)


def _names(prefix: str) -> Iterator[str]:
    yield from (prefix + letter for letter in ascii_lowercase)
    yield from (prefix + first + second for first in ascii_lowercase for second in ascii_lowercase)
