"""The disks of a new VM: which image, what kind, what name in the guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from string import ascii_lowercase
from typing import Any

import msgspec

from nebula.engine.lifecycle.states import ImageState
from nebula.engine.machines.template import mebibytes
from nebula.engine.store.rows import ImageRow
from nebula.errors import ConflictError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide", "xvd": "xen"}
MAX_DISKS = 64
MAX_DISK_MIB = 64 * 1024 * 1024


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

    def spec(self, vm_id: int) -> DiskSpec:
        """The disk as datastore drivers know it."""
        return msgspec.convert(
            {
                "vm_id": vm_id,
                "disk_id": self.disk_id,
                "kind": self.kind,
                "format": self.format,
                "size": self.size,
                "image": msgspec.to_builtins(self.image),
                "filesystem": self.filesystem,
            },
            DiskSpec,
        )


def image_spec(row: ImageRow) -> ImageSpec:
    """An image row as drivers know it."""
    return msgspec.convert(
        {
            "image_id": row.id,
            "uuid": row.uuid,
            "format": row.format,
            "size": row.size,
            "type": row.type,
            "persistent": bool(row.persistent),
        },
        ImageSpec,
    )


def plan(
    attributes: list[Mapping[str, Any]], image_named: Callable[[str], ImageRow], system_datastore: Callable[[], int]
) -> tuple[list[Disk], list[ImageRow]]:
    """The disks for a template's DISK list, and the images that they use.

    Raises ConflictError for an image that cannot be used now, UsageError for what makes no sense.
    """
    if len(attributes) > MAX_DISKS:
        raise UsageError(f"a VM takes at most {MAX_DISKS} disks", cause=f"got {len(attributes)}")
    disks: list[Disk] = []
    images: list[ImageRow] = []
    taken = {str(item["TARGET"]) for item in attributes if item.get("TARGET")}
    if len(taken) < sum(1 for item in attributes if item.get("TARGET")):
        raise UsageError("two disks have the same TARGET", hint="leave TARGET out: names are chosen for you")
    for number, item in enumerate(attributes):
        if "IMAGE" in item or "IMAGE_ID" in item:
            image = image_named(str(item.get("IMAGE_ID", item.get("IMAGE"))))
            _usable(image, [other.id for other in images])
            disk = _from_image(number, item, image, taken)
            images.append(image)
        else:
            disk = _volatile(number, item, system_datastore(), taken)
        taken.add(disk.target)
        disks.append(disk)
    return disks, images


def _usable(image: ImageRow, used_here: list[int]) -> None:
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
    return Disk(
        disk_id=number,
        kind=kind,
        format=image.format if kind != "clone" else _format(number, item, image.format),
        size=size,
        datastore_id=image.datastore_id,
        target=target,
        bus="sata" if kind == "cdrom" else bus,
        image_id=image.id,
        image=image_spec(image),
        image_name=image.name,
        readonly=kind == "cdrom" or str(item.get("READONLY", "NO")).upper() == "YES",
        **_tuning(item),
    )


def _volatile(number: int, item: Mapping[str, Any], datastore_id: int, taken: set[str]) -> Disk:
    if item.get("SIZE") in (None, ""):
        raise UsageError(f"disk {number} has neither IMAGE nor SIZE", hint="--disk size=10G, or --image NAME")
    filesystem = "swap" if str(item.get("TYPE", "fs")).lower() == "swap" else str(item.get("FS", "")).lower()
    form = _format(number, item, "raw" if filesystem else "qcow2")
    if filesystem not in {"", "swap", "ext2", "ext3", "ext4", "xfs"}:
        raise UsageError(f"disk {number}: FS must be ext2, ext3, ext4 or xfs", cause=f"got {filesystem[:40]!r}")
    target, bus = _target(item, "vd", taken)
    size = mebibytes(item, "SIZE", 0, MAX_DISK_MIB) << 20
    return Disk(
        disk_id=number, kind="volatile", format=form, size=size, datastore_id=datastore_id, target=target, bus=bus,
        filesystem=filesystem, **_tuning(item),
    )  # fmt: skip


def _format(number: int, item: Mapping[str, Any], default: str) -> str:
    form = str(item.get("FORMAT", default)).lower()
    if form not in {"raw", "qcow2"}:
        raise UsageError(f"disk {number}: FORMAT must be raw or qcow2", cause=f"got {form[:40]!r}")
    return form


def _tuning(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cache": str(item.get("CACHE", "none")).lower(),
        "discard": str(item.get("DISCARD", "unmap")).lower(),
        "io": str(item.get("IO", "")).lower(),
        "serial": str(item.get("SERIAL", "")),
    }


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
