"""Layers of qcow2 disks: each snapshot is a file that nobody writes to any more, on which others lie."""

from __future__ import annotations

from functools import partial

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore import layout, making, recipes
from nebula.drivers.longrun import Sighting, run_long
from nebula.model.storage import DiskSpec

_REBASE = 'qemu-img rebase -q -f qcow2 -F "$2" -b "$3" -- "$1" && sync "$1"'
_ALONE = 'qemu-img rebase -q -f qcow2 -b "" -- "$1" && sync "$1"'


def rebase(
    host: HostHandle,
    base: str,
    disk: DiskSpec,
    layer: int,
    below: int,
    *,
    key: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """See Datastore.rebase_layer. It works in the file itself, whose header names the new file below at the end: ended in the
    middle, it has more data of its own and shows the same.
    """
    path = layout.layer_file(base, disk, layer)
    argv = ["sh", "-c", _ALONE, "nebula-rebase", path]
    if below >= 0:
        argv = ["sh", "-c", _REBASE, "nebula-rebase", path, "qcow2", layout.layer_name(disk, below)]
    elif disk.image is not None:
        argv = ["sh", "-c", _REBASE, "nebula-rebase", path, disk.image.format, recipes.backing_image(disk)]
    reader = partial(_tell, disk.virtual_size, progress) if progress else None
    run_long(host.transport, making.work_directory(host), key, argv, progress_reader=reader, watch=path, cancel=cancel)


def _tell(total: int, progress: Progress, seen: Sighting) -> None:
    progress(min(seen.written, total), total)
