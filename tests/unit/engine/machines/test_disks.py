"""Disks as their datastore can make them: format and size."""

from __future__ import annotations

import pytest

from nebula.drivers.base import DatastoreCapabilities
from nebula.engine.machines.disks import Disk, suit
from nebula.errors import UsageError

MIB = 1 << 20
VOLUMES = DatastoreCapabilities(shared=False, formats=("raw",), linked_clones=True, live_copy=True, unit=4 * MIB)
FILES = DatastoreCapabilities(shared=False, formats=("qcow2", "raw"), linked_clones=True, live_copy=True)


def disk(form: str, size: int) -> Disk:
    return Disk(disk_id=0, kind="volatile", format=form, size=size, datastore_id=3, target="vda", bus="virtio")


def suited(given: Disk, able: DatastoreCapabilities, **asked: str) -> tuple[str, int]:
    suit(given, asked, {3: able}.__getitem__)
    return given.format, given.size


def test_a_disk_is_as_large_and_of_the_format_that_its_datastore_has() -> None:
    assert suited(disk("qcow2", 5 * MIB), VOLUMES) == ("raw", 8 * MIB)
    assert suited(disk("raw", 8 * MIB), VOLUMES) == ("raw", 8 * MIB)
    assert suited(disk("qcow2", 5 * MIB + 512), FILES) == ("qcow2", 5 * MIB + 512)
    with pytest.raises(UsageError, match="its datastore has no qcow2 disks"):
        suit(disk("qcow2", MIB), {"FORMAT": "qcow2"}, {3: VOLUMES}.__getitem__)


def test_an_empty_drive_is_in_no_datastore() -> None:
    drive = Disk(disk_id=1, kind="cdrom", format="raw", size=0, datastore_id=-1, target="sda", bus="sata")
    assert suited(drive, FILES) == ("raw", 0)
