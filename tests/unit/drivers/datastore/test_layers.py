"""Layers of real qcow2 files: what a guest would read through each."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from nebula.errors import ConflictError
from nebula.model.storage import DiskSpec
from tests.contract.datastore import DatastoreLab, clone_of, create, os_image, take_in, volatile


@dataclass
class Guest:
    """Writes to the disk's own layer, and reads through any, at whole MiB."""

    lab: DatastoreLab
    disk: DiskSpec

    def write(self, mib: int, byte: int) -> None:
        self._io(self.disk.layer, f"write -P {byte} {mib}M 1M")

    def reads(self, layer: int, mib: int, byte: int) -> bool:
        told = self._io(layer, f"read -P {byte} {mib}M 1M")
        assert "read 1048576/1048576 bytes" in told, told
        return "Pattern verification failed" not in told

    def _io(self, layer: int, command: str) -> str:
        path = self.lab.datastore.layer_path(self.lab.source, self.disk, layer)
        return subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", command, path], check=False, capture_output=True, text=True
        ).stdout

    def add(self, layer: int) -> None:
        self.lab.datastore.add_layer(self.lab.source, self.disk, layer, self.disk.layer)
        self.disk = replace(self.disk, layer=layer, below=self.disk.layer, frozen=(*self.disk.frozen, self.disk.layer))

    def rebase(self, layer: int, below: int) -> None:
        self.lab.datastore.rebase_layer(
            self.lab.source, self.disk, layer, below, job=f"1-{layer}-{below}", progress=lambda _done, _total: None, cancel=None
        )


@pytest.fixture(params=["clone", "volatile"])
def guest(request: pytest.FixtureRequest, ssh_lab: DatastoreLab) -> Guest:
    disk = clone_of(take_in(ssh_lab, os_image())) if request.param == "clone" else volatile(disk_id=0, format="qcow2")
    create(ssh_lab, disk)
    return Guest(ssh_lab, disk)


def test_each_layer_keeps_what_it_was_and_merging_changes_nothing(guest: Guest) -> None:
    guest.write(0, 1)
    guest.add(1)
    guest.write(0, 2)
    guest.write(1, 2)
    guest.add(2)
    guest.write(1, 3)
    assert guest.reads(0, 0, 1)
    assert guest.reads(1, 0, 2)
    for _ in range(2):
        guest.rebase(2, 0)
    guest.lab.datastore.remove_layers(guest.lab.source, guest.disk, [1])
    for _ in range(2):
        guest.rebase(2, -1)
    guest.lab.datastore.remove_layers(guest.lab.source, guest.disk, [0])
    assert guest.reads(2, 0, 2)
    assert guest.reads(2, 1, 3)
    assert guest.reads(2, 5, 0)


def test_a_layer_is_made_on_one_that_is_in_use_and_that_one_is_not_moved(guest: Guest) -> None:
    path = guest.lab.datastore.disk_path(guest.lab.source, guest.disk)
    user = subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write(b"write -P 1 0 1M\n")
        user.stdin.flush()
        user.stdout.readline()
        guest.lab.datastore.add_layer(guest.lab.source, guest.disk, 1, 0)
        with pytest.raises(ConflictError):
            guest.lab.datastore.move_vm(
                guest.lab.source, guest.lab.target, 7, [replace(guest.disk, image=None, kind="volatile")], job="2-move",
                progress=None, cancel=None,
            )  # fmt: skip
    finally:
        user.communicate(b"quit\n")


def test_an_image_is_made_of_what_a_layer_shows(guest: Guest) -> None:
    guest.write(0, 1)
    guest.add(1)
    guest.write(0, 2)
    lab = guest.lab
    for layer, byte in ((0, 1), (1, 2)):
        image = os_image(20 + layer)
        for _ in range(2):
            lab.datastore.save_disk(lab.source, guest.disk, layer, image, job=f"6-{layer}", progress=None, cancel=None)
        path = lab.datastore.image_path(lab.source, image)
        assert lab.datastore.probe(lab.source, path, "qcow2").virtual_size == guest.disk.virtual_size
        argv = ["qemu-io", "-f", "qcow2", "-c", f"read -P {byte} 0 1M", path]
        told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        assert "Pattern verification failed" not in told


def test_layers_are_the_same_at_the_other_host(guest: Guest) -> None:
    guest.write(0, 1)
    guest.add(1)
    guest.write(1, 2)
    lab = guest.lab
    if guest.disk.image is not None:
        lab.datastore.copy_image(lab.source, lab.target, guest.disk.image, job="3-image", progress=None, cancel=None)
    lab.datastore.move_vm(lab.source, lab.target, 7, [guest.disk], job="4-move", progress=None, cancel=None)
    there = Guest(DatastoreLab(lab.datastore, lab.target, lab.source, lab.stage, lab.holding), guest.disk)
    assert there.reads(1, 0, 1)
    assert there.reads(1, 1, 2)
    lab.datastore.remove_vm(lab.target, 7, [guest.disk])
    lab.datastore.copy_layers(lab.source, lab.target, [guest.disk], job="5-layers", progress=None, cancel=None)
    lab.datastore.prepare_incoming(lab.target, [guest.disk], None)
    assert there.reads(1, 0, 1)
    assert not there.reads(1, 1, 2)
