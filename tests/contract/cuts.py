"""What every datastore driver survives: the connection to the hosts breaks at any of its errands, which the host does without
being heard; then the engine comes again, or takes back what it began. Subclass `CutsContract` and give it `lab`.

An engine that is killed leaves the hosts as one does whose connection breaks, so this is what its successor finds.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest

from nebula.drivers.base import HostHandle
from nebula.errors import CommandError, UnreachableError
from nebula.model.storage import DiskSpec
from nebula.transport.base import Transport
from tests.contract.datastore import ISO, DatastoreLab, clone_of, create, kept_as, os_image, take_in, volatile

_ERRANDS = frozenset({"run", "read_file", "write_file", "upload"})
_MOST = 200
HOW: dict[str, Any] = {"job": "20-cut", "progress": None, "cancel": None}
IMAGE, COPY = os_image(), os_image(5)


class Cut:
    """Where the connections break, once: at errand `number` of all to both hosts."""

    def __init__(self, number: int) -> None:
        self.struck, self._left = False, number

    def through(self, lab: DatastoreLab) -> DatastoreLab:
        """The same lab, by connections that break."""
        return replace(lab, source=self.host(lab.source), target=self.host(lab.target))

    def host(self, host: HostHandle) -> HostHandle:
        """The same host, by a connection that breaks."""
        return msgspec.structs.replace(host, transport=cast(Transport, _Breaking(host.transport, self)))

    def errand(self, what: Callable[[], Any]) -> Any:
        """Have it done; the answer may be lost."""
        self._left -= 1
        if self._left:
            return what()
        self.struck = True
        with contextlib.suppress(CommandError):  # nobody hears that either
            what()
        raise UnreachableError("the connection was cut by a test")


class _Breaking:
    def __init__(self, inner: Transport, cut: Cut) -> None:
        self._inner, self._cut = inner, cut

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in _ERRANDS:
            return found
        return lambda *words, **how: self._cut.errand(lambda: found(*words, **how))


class Deed(ABC):
    """Something that a job does on hosts."""

    def ready(self, lab: DatastoreLab) -> None:
        """What must be so before."""
        take_in(lab, IMAGE)

    def once_more(self, lab: DatastoreLab) -> None:
        """What a person does before it is tried, and again after it was taken back."""
        del lab

    @abstractmethod
    def do(self, lab: DatastoreLab) -> None:
        """The job's step."""

    @abstractmethod
    def undo(self, lab: DatastoreLab) -> None:
        """What the job does when it turns."""

    @abstractmethod
    def is_done(self, lab: DatastoreLab) -> None:
        """What is so afterwards."""

    @abstractmethod
    def is_undone(self, lab: DatastoreLab) -> None:
        """What is so once it was taken back."""


class _MakesImage(Deed):
    image = COPY

    def undo(self, lab: DatastoreLab) -> None:
        lab.datastore.abandon(lab.source, HOW["job"])
        lab.datastore.remove_image(lab.source, self.image)

    def is_done(self, lab: DatastoreLab) -> None:
        assert lab.datastore.has_image(lab.source, self.image)
        where = lab.datastore.image_path(lab.source, self.image)
        assert lab.datastore.probe(lab.source, where, kept_as(lab, "qcow2")).virtual_size == self.image.size

    def is_undone(self, lab: DatastoreLab) -> None:
        assert not lab.datastore.has_image(lab.source, self.image)


class _Taken(_MakesImage):
    image = IMAGE

    def ready(self, lab: DatastoreLab) -> None:
        """There is nothing."""

    def once_more(self, lab: DatastoreLab) -> None:
        """It is uploaded."""
        lab.stage(lab.source, IMAGE)

    def do(self, lab: DatastoreLab) -> None:
        lab.datastore.take_in(lab.source, IMAGE, lab.datastore.staging_path(lab.source, IMAGE), **HOW)


class _Cloned(_MakesImage):
    def do(self, lab: DatastoreLab) -> None:
        lab.datastore.clone_image(lab.source, IMAGE, COPY, **HOW)


class _Saved(_MakesImage):
    def ready(self, lab: DatastoreLab) -> None:
        super().ready(lab)
        create(lab, clone_of(IMAGE))

    def do(self, lab: DatastoreLab) -> None:
        lab.datastore.save_disk(lab.source, clone_of(IMAGE), 0, COPY, **HOW)


class _Copied(Deed):
    """To the other host."""

    def do(self, lab: DatastoreLab) -> None:
        lab.datastore.copy_image(lab.source, lab.target, IMAGE, **HOW)

    def undo(self, lab: DatastoreLab) -> None:
        lab.datastore.abandon(lab.target, HOW["job"])
        if not lab.datastore.capabilities.shared:
            lab.datastore.remove_image(lab.target, IMAGE)

    def is_done(self, lab: DatastoreLab) -> None:
        for host in (lab.source, lab.target):
            assert lab.datastore.has_image(host, IMAGE)

    def is_undone(self, lab: DatastoreLab) -> None:
        assert lab.datastore.has_image(lab.source, IMAGE)
        assert lab.datastore.has_image(lab.target, IMAGE) == lab.datastore.capabilities.shared


class _WithDisks(Deed):
    """Of a VM with a clone of the image and an empty disk."""

    def disks(self, lab: DatastoreLab) -> list[DiskSpec]:
        return [clone_of(IMAGE), volatile(format=kept_as(lab, "raw"))]

    def make(self, lab: DatastoreLab) -> None:
        for disk in self.disks(lab):
            lab.datastore.create_disk(lab.source, disk, **HOW)
        lab.datastore.write_context(lab.source, 7, ISO)

    def has(self, lab: DatastoreLab, host: HostHandle) -> None:
        """The host has all of it, and may use it."""
        assert lab.datastore.vm_ids(host) == [7]
        for disk in self.disks(lab):
            assert lab.datastore.has_disk(host, disk)
            lab.datastore.activate(host, disk)


class _Made(_WithDisks):
    def do(self, lab: DatastoreLab) -> None:
        self.make(lab)

    def undo(self, lab: DatastoreLab) -> None:
        lab.datastore.abandon(lab.source, HOW["job"])
        lab.datastore.remove_vm(lab.source, 7, self.disks(lab))

    def is_done(self, lab: DatastoreLab) -> None:
        self.has(lab, lab.source)

    def is_undone(self, lab: DatastoreLab) -> None:
        assert lab.datastore.vm_ids(lab.source) == []


class _Migrated(_WithDisks):
    def ready(self, lab: DatastoreLab) -> None:
        super().ready(lab)
        self.make(lab)
        lab.datastore.copy_image(lab.source, lab.target, IMAGE, **(HOW | {"job": "21-image"}))

    def undo(self, lab: DatastoreLab) -> None:
        lab.datastore.abandon(lab.target, HOW["job"])
        if lab.datastore.capabilities.moves:
            lab.datastore.remove_vm(lab.target, 7, self.disks(lab), keep_persistent=False)

    def is_done(self, lab: DatastoreLab) -> None:
        """The host that it left has nothing of it, and the other may use it."""
        if lab.datastore.capabilities.moves:
            lab.datastore.remove_vm(lab.source, 7, self.disks(lab), keep_persistent=False)
        self.has(lab, lab.target)

    def is_undone(self, lab: DatastoreLab) -> None:
        self.has(lab, lab.source)


class _MigratedLive(_Migrated):
    def do(self, lab: DatastoreLab) -> None:
        if lab.datastore.capabilities.moves:
            lab.datastore.prepare_incoming(lab.target, self.disks(lab), ISO)


class _MigratedCold(_Migrated):
    def do(self, lab: DatastoreLab) -> None:
        lab.datastore.move_vm(lab.source, lab.target, 7, self.disks(lab), **HOW)


DEEDS: dict[str, Deed] = {
    "an image is taken in": _Taken(),
    "an image is cloned": _Cloned(),
    "a disk is saved": _Saved(),
    "an image is copied": _Copied(),
    "disks are made": _Made(),
    "a VM is migrated live": _MigratedLive(),
    "a VM is migrated cold": _MigratedCold(),
}


class CutsContract:
    """The suite."""

    @pytest.mark.parametrize("name", DEEDS)
    def test_what_was_cut_at_each_errand_is_done_in_the_end(self, lab: DatastoreLab, name: str) -> None:
        assert_ended(lab, DEEDS[name])

    @pytest.mark.parametrize("name", DEEDS)
    def test_what_was_cut_at_any_errand_is_taken_back(self, lab: DatastoreLab, name: str) -> None:
        assert_taken_back(lab, DEEDS[name])


def assert_ended(lab: DatastoreLab, deed: Deed) -> None:
    """It is cut at one errand after the other, begun again each time, and done in the end."""
    deed.ready(lab)
    deed.once_more(lab)
    for number in range(1, _MOST):
        if not cut_off(lab, deed.do, number):
            break
    deed.is_done(lab)
    assert_cleared(lab)


def assert_taken_back(lab: DatastoreLab, deed: Deed) -> None:
    """It is cut at any errand and taken back, which is cut, too; nothing is left of it then."""
    deed.ready(lab)
    before = lab.lying()
    for number in range(1, _MOST):
        deed.once_more(lab)
        struck = cut_off(lab, deed.do, number)
        cut_off(lab, deed.undo, number)
        deed.undo(lab)
        deed.is_undone(lab)
        assert lab.lying() == before
        if not struck:
            break
    assert_cleared(lab)


def cut_off(lab: DatastoreLab, act: Callable[[DatastoreLab], None], number: int) -> bool:
    """Whether the connection broke while this was done: it has so many errands."""
    cut = Cut(number)
    try:
        act(cut.through(lab))
    except UnreachableError:
        assert cut.struck
    return cut.struck


def assert_cleared(lab: DatastoreLab) -> None:
    """Once VM and images are removed nothing is left of them, nor of what was half made."""
    disks = [clone_of(IMAGE), volatile(format=kept_as(lab, "raw"))]
    for host in (lab.target, lab.source):
        lab.datastore.remove_vm(host, 7, disks, keep_persistent=False)
    for host in (lab.target, lab.source):
        lab.datastore.remove_vm(host, 7, disks)
        for image in (IMAGE, COPY):
            lab.datastore.remove_image(host, image)
    assert lab.lying() == []
