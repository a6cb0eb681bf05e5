"""Bulk work of the simulated datastore: copies that take time, are followed, cancelled and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.sim import images
from nebula.drivers.sim.follow import follow_copy
from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import File
from nebula.drivers.sim.transport import sim
from nebula.errors import UnreachableError
from nebula.model.storage import DiskSpec

Pair = tuple[str, str]
"""A path at the source and one at the target."""


class _Step(msgspec.Struct, frozen=True):
    copy_id: int
    size: int


def copy_image(
    source: HostHandle,
    target: HostHandle,
    pair: Pair,
    uuid: str,
    job: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """See Datastore.copy_image."""

    def begin(now: float) -> list[_Step]:
        if images.find(target, pair[1]) is not None:
            return []
        _must_be_up(source)
        return [_begin(target, pair[1], images.need(source, pair[0]), job, None, now)]

    _stop_if_asked(cancel)
    steps = sim(target).perform("datastore.copy_image", begin, subject=uuid, cancel=cancel)
    _follow(target, steps, progress, cancel)


def create_disk(
    host: HostHandle, disk: DiskSpec, path: str, backing: str, job: str, progress: Progress | None, cancel: CancelToken | None
) -> None:
    """See Datastore.create_disk: a clone of a raw image is a copy of it, all else is made at once."""

    def effect(now: float) -> list[_Step]:
        if disk.kind != "clone" or disk.format == "qcow2" or images.find(host, path) is not None:
            images.make_disk(host, disk, path, backing, now)
            return []
        image = images.need(host, backing)
        images.check_size(disk, image)
        images.begin_anew(host, disk, path, now)
        copies, content = sim(host).world.copies, images.content_of(disk)
        begun = copies.begin(sim(host).name, path, image, job, disk.vm_id, now, content=content, virtual_size=disk.size)
        return [_Step(begun, image.size)]

    _stop_if_asked(cancel)
    steps = sim(host).perform("datastore.create_disk", effect, subject=f"vm-{disk.vm_id}", cancel=cancel)
    _follow(host, steps, progress, cancel)


def move(
    operation: Literal["move_vm", "copy_layers"],
    source: HostHandle,
    target: HostHandle,
    pairs: Sequence[Pair],
    vm_id: int,
    job: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """See Datastore.move_vm and copy_layers: a file whose content is at the target already is not copied again."""

    def begin(now: float) -> list[_Step]:
        _must_be_up(source)
        steps = []
        for old, new in pairs:
            found = images.find(source, old)
            if found is None or _same(found, images.find(target, new)):
                continue
            _note_writer(source, old, now)
            owner = None if found.kind == "image" else vm_id
            steps.append(_begin(target, new, found, job, owner, now))
        return steps

    _stop_if_asked(cancel)
    steps = sim(target).perform(f"datastore.{operation}", begin, subject=f"vm-{vm_id}", cancel=cancel)
    _follow(target, steps, progress, cancel)


def _same(old: File, new: File | None) -> bool:
    return new is not None and (new.content, new.generation, new.size) == (old.content, old.generation, old.size)


def _note_writer(source: HostHandle, path: str, now: float) -> None:
    world, name = sim(source).world, sim(source).name
    writer = world.disks.writer_of(place(name, path).scope, path)
    if writer:
        world.db.violation(now, "copied_in_use", f"{path} on {name} was copied while {writer} wrote to it")


def _begin(host: HostHandle, path: str, file: File, job: str, vm_id: int | None, now: float) -> _Step:
    return _Step(sim(host).world.copies.begin(sim(host).name, path, file, job, vm_id, now), file.size)


def _follow(host: HostHandle, steps: Sequence[_Step], progress: Progress | None, cancel: CancelToken | None) -> None:
    total = sum(step.size for step in steps)
    done = 0
    for step in steps:
        follow_copy(sim(host).world, step.copy_id, done, total, progress, cancel)
        done += step.size
        if progress is not None:
            progress(done, total)


def _must_be_up(source: HostHandle) -> None:
    name = sim(source).name
    row = sim(source).world.db.one("SELECT powered AND connected FROM hosts WHERE name=?", name)
    if row is None or not row[0]:
        raise UnreachableError(
            f"host {name} does not answer its peers", cause="no route to host", hint=f"nebula host show {name}"
        )


def _stop_if_asked(cancel: CancelToken | None) -> None:
    if cancel is not None:
        cancel.raise_if_set()
