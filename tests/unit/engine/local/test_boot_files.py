"""Kernels and RAM disks out of datastores: hosts are given them, and they stay as long as a VM boots from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nebula.engine.store.rows import ImageRow
from nebula.errors import ConflictError, NotFoundError, UsageError
from nebula.model.domain import DomainSpec
from tests.support.sim import CALL, Sim

OS = {"KERNEL_DS": '$FILE[IMAGE="vmlinuz"]', "INITRD_DS": "initrd", "KERNEL_CMD": "console=ttyS0"}


@pytest.fixture
def furnished(sim: Sim, tmp_path: Path) -> Sim:
    """A kernel and a RAM disk in a datastore of files."""
    sim.engine.datastores.create({"name": "boot", "driver": "sim", "type": "file"}, CALL)
    for name, kind in (("vmlinuz", "kernel"), ("initrd", "ramdisk"), ("other", "kernel")):
        add_file(sim, tmp_path, name, kind)
    return sim


def add_file(sim: Sim, folder: Path, name: str, kind: str, **spec: Any) -> None:
    (folder / name).write_bytes(f"this is {name}".encode())
    sim.engine.images.create({"name": name, "path": str(folder / name), "type": kind, "datastore": "boot", **spec}, CALL)
    sim.settle()
    assert sim.image(name).state == 1, sim.image(name).error


def booted(sim: Sim, name: str = "one") -> DomainSpec:
    """The domain as its host has it."""
    found = sim.world.domains.require(sim.where(name), sim.vm(name).uuid).spec
    assert found is not None
    return found


def hosts_with(sim: Sim, name: str) -> set[str]:
    return set(sim.engine.images.show(name).body["copies_on"])


def test_a_host_is_given_what_its_vm_boots_from(furnished: Sim) -> None:
    assert {furnished.engine.images.show(name).body["datastore"] for name in ("vmlinuz", "initrd")} == {"boot"}
    furnished.add_vm("one", OS=OS, HOST="h2")
    assert furnished.state("one") == "RUNNING"
    found = booted(furnished)
    assert found.kernel.endswith(f"images/{furnished.image('vmlinuz').uuid}.raw")
    assert found.initrd.endswith(f"images/{furnished.image('initrd').uuid}.raw")
    assert found.kernel_cmd == "console=ttyS0"
    assert hosts_with(furnished, "vmlinuz") == hosts_with(furnished, "initrd") == {"h1", "h2"}


@pytest.mark.parametrize("live", [True, False])
def test_where_a_vm_goes_its_kernel_is(furnished: Sim, live: bool) -> None:
    furnished.add_vm("one", OS=OS, HOST="h1")
    if not live:
        furnished.engine.vms.poweroff("one", CALL)
        furnished.settle()
    furnished.engine.vms.migrate("one", "h3", CALL, live=live)
    furnished.settle()
    if not live:
        furnished.engine.vms.resume("one", CALL)
        furnished.settle()
    assert (furnished.state("one"), furnished.where("one")) == ("RUNNING", "h3")
    assert hosts_with(furnished, "vmlinuz") == {"h1", "h3"}
    furnished.assert_sound()


def test_another_kernel_is_there_at_the_next_start(furnished: Sim) -> None:
    furnished.add_vm("one", OS=OS, HOST="h2")
    with pytest.raises(ConflictError, match="cannot be changed while it is RUNNING"):
        furnished.engine.vms.update("one", {"OS": {"KERNEL_DS": "other"}}, CALL)
    furnished.engine.vms.poweroff("one", CALL)
    furnished.settle()
    with pytest.raises(UsageError, match="is of type ramdisk"):
        furnished.engine.vms.update("one", {"OS": {"KERNEL_DS": "initrd"}}, CALL)
    furnished.engine.vms.update("one", {"OS": {"KERNEL_DS": "other"}}, CALL)
    furnished.engine.vms.resume("one", CALL)
    furnished.settle()
    assert booted(furnished).kernel.endswith(f"{furnished.image('other').uuid}.raw")
    assert hosts_with(furnished, "other") == {"h1", "h2"}


def test_it_stays_as_long_as_a_vm_boots_from_it(furnished: Sim) -> None:
    furnished.add_vm("one", OS=OS)
    for refused in (furnished.engine.images.remove, lambda ref, call: furnished.engine.images.rename(ref, "new", call)):
        for name in ("vmlinuz", "initrd"):
            with pytest.raises(ConflictError, match="boots from image"):
                refused(name, CALL)
    furnished.engine.images.remove("other", CALL)
    furnished.engine.vms.terminate("one", CALL, hard=True)
    furnished.settle()
    furnished.engine.images.remove("vmlinuz", CALL)
    furnished.settle()
    assert [image.name for image in furnished.rows(ImageRow)] == ["base", "initrd"]
    furnished.assert_sound()


def test_what_is_no_kernel_is_refused(furnished: Sim, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"KERNEL_DS": "base"}, UsageError),
        ({"KERNEL_DS": "initrd"}, UsageError),
        ({"KERNEL_DS": "vmlinuz", "INITRD_DS": "vmlinuz"}, UsageError),
        ({"KERNEL_DS": "nothing"}, NotFoundError),
    ]
    for system, kind in wrong:
        with pytest.raises(kind):
            furnished.add_vm("one", OS=system)
    with pytest.raises(UsageError, match="no disk"):
        furnished.add_vm("one", DISK=[{"IMAGE": "vmlinuz"}])
    with pytest.raises(UsageError, match="comes from a path"):
        furnished.engine.images.create({"name": "x", "type": "kernel", "size": 1 << 20}, CALL)
    furnished.engine.datastores.create({"name": "pool", "driver": "sim", "settings": {"blocks": "true"}}, CALL)
    with pytest.raises(ConflictError, match="has no files"):
        add_file(furnished, tmp_path, "y", "kernel", datastore="pool")


def test_a_vm_comes_to_a_host_that_reaches_what_it_boots(furnished: Sim, tmp_path: Path) -> None:
    furnished.engine.clusters.create("far", CALL)
    furnished.engine.datastores.create({"name": "away", "driver": "sim", "type": "file", "cluster": "far"}, CALL)
    furnished.engine.hosts.update("h3", {"cluster": "far"}, CALL)
    furnished.settle()
    add_file(furnished, tmp_path, "elsewhere", "kernel", datastore="away", host="h3")
    furnished.add_vm("one", OS={"KERNEL_DS": "elsewhere"})
    assert (furnished.state("one"), furnished.where("one")) == ("RUNNING", "h3")
    furnished.add_vm("two", OS={"KERNEL_DS": "elsewhere"}, CLUSTER="default")
    assert furnished.state("two") == "PENDING"
    assert "share no cluster" in furnished.engine.vms.describe("two").body["waiting"]["hosts"]["h1"]
