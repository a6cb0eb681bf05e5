"""A disk's file made anew of a backup, and put in the place of the one that is there."""

from __future__ import annotations

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.model.storage import DiskSpec

_REPLACE = r"""
[ ! -e "$1" ] && [ -e "$2" ] && exit 0
mv -fT -- "$1" "$2" && sync -- "${2%/*}"
"""


def format_of(disk: DiskSpec) -> str:
    """The format of the disk's file."""
    return disk.image.format if disk.kind == "persistent" and disk.image else disk.format


def restore(
    host: HostHandle,
    base: str,
    disk: DiskSpec,
    path: str,
    *,
    key: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """See Datastore.restore_disk. A clone lies on its image again, as all that moves it to another host takes for granted."""
    target, form = layout.restored_file(base, disk), format_of(disk)
    if disk.kind == "clone" and form == "qcow2":
        recipe = making.Recipe("convert-onto", recipes.backing_image(disk), layout.needed_image(disk).format, path)
    else:
        recipe = making.Recipe("convert", "qcow2", path, form, "0")
    making.make_long(host, target, recipe, key=key, total=disk.virtual_size, progress=progress, cancel=cancel)


def replace(host: HostHandle, base: str, disk: DiskSpec) -> None:
    """See Datastore.replace_disk."""
    restored, path = layout.restored_file(base, disk), layout.disk_file(base, disk)
    host.transport.run(["sh", "-c", _REPLACE, "nebula-replace", restored, path], root=True)
