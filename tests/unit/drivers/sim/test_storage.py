from __future__ import annotations

import pytest

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.sim import images
from nebula.drivers.sim.datastore import SimDatastore
from nebula.drivers.sim.world import SimWorld
from nebula.errors import CapacityError, CommandError, ImageError, InterruptedByUser, NotFoundError, UnreachableError
from nebula.model.storage import DiskSpec, ImageSpec
from tests.unit.drivers.sim.lab import handle, hypervisor, request, spec, uuid_of

GIB = 1 << 30
IMAGE = ImageSpec(image_id=1, uuid="image-1", format="qcow2", size=8 * GIB)
DISK = DiskSpec(vm_id=1, disk_id=0, kind="clone", image=IMAGE)
STORE = SimDatastore(1, {})


def with_image(world: SimWorld, name: str = "one") -> HostHandle:
    host = handle(world, name)
    images.stage(host, STORE.staging_path(host, IMAGE), "qcow2", IMAGE.size)
    STORE.take_in(host, IMAGE, STORE.staging_path(host, IMAGE), job="1", progress=None, cancel=None)
    return host


def with_disk(world: SimWorld, name: str = "one") -> str:
    host = with_image(world, name)
    STORE.create_disk(host, DISK, job="2", progress=None, cancel=None)
    return STORE.disk_path(host, DISK)


def copy(world: SimWorld, cancel: CancelToken | None = None) -> None:
    STORE.copy_image(handle(world, "one"), handle(world, "two"), IMAGE, job="3", progress=None, cancel=cancel)


def test_a_full_datastore_takes_nothing_more(world: SimWorld) -> None:
    host = with_image(world)
    used = STORE.usage(host).used
    assert used == 2 * GIB
    world.storage.fill("one", 1)
    with pytest.raises(CapacityError):
        STORE.create_disk(host, DISK, job="2", progress=None, cancel=None)
    assert STORE.usage(host).used == used
    assert [finding.level for finding in STORE.check(host)] == ["error"]
    world.storage.set_capacity("one", 1, 100 * GIB)
    STORE.create_disk(host, DISK, job="2", progress=None, cancel=None)
    STORE.remove_vm(host, 1, [DISK])
    STORE.remove_image(host, IMAGE)
    assert STORE.usage(host).used == 0


def test_a_copy_takes_its_time_and_tells(world: SimWorld) -> None:
    with_image(world)
    world.set("copy_bytes_per_second", GIB / 10)
    seen: list[tuple[int, int]] = []
    STORE.copy_image(
        handle(world, "one"), handle(world, "two"), IMAGE, job="3", progress=lambda *s: seen.append(s), cancel=None
    )
    assert seen == sorted(seen)
    assert seen[-1] == (2 * GIB, 2 * GIB)
    assert len(seen) > 10
    assert world.leaks([]) == []


def test_a_cancelled_copy_leaves_nothing(world: SimWorld) -> None:
    with_image(world)
    world.set("copy_bytes_per_second", GIB)
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        STORE.copy_image(
            handle(world, "one"), handle(world, "two"), IMAGE, job="3", progress=lambda *_: token.set("stop"), cancel=token
        )
    assert not STORE.has_image(handle(world, "two"), IMAGE)
    assert world.leaks([]) == []


def test_a_copy_out_of_sight_goes_on_and_is_found(world: SimWorld) -> None:
    with_image(world)
    world.set("copy_bytes_per_second", GIB / 10)
    with pytest.raises(UnreachableError):
        STORE.copy_image(
            handle(world, "one"), handle(world, "two"), IMAGE, job="3",
            progress=lambda *_: world.hosts.set_reachable("two", False), cancel=None,
        )  # fmt: skip
    assert len(world.leaks([])) == 1
    world.hosts.set_reachable("two", True)
    began = world.now()
    copy(world)
    assert world.now() - began < 20.5
    assert world.leaks([]) == []


def test_a_power_cut_leaves_the_part_and_the_next_try_mends_it(world: SimWorld) -> None:
    with_image(world)
    world.set("copy_bytes_per_second", GIB / 10)
    with pytest.raises(UnreachableError):
        STORE.copy_image(
            handle(world, "one"), handle(world, "two"), IMAGE, job="3",
            progress=lambda *_: world.hosts.cut_power("two"), cancel=None,
        )  # fmt: skip
    world.hosts.power_on("two")
    assert [leak.split()[0] for leak in world.leaks([])] == ["part"]
    copy(world)
    assert world.leaks([]) == []


def test_a_copy_fails_half_way(world: SimWorld) -> None:
    with_image(world)
    world.set("copy_bytes_per_second", GIB)
    world.order_fault("two", "datastore.copy.halfway", "command")
    with pytest.raises(CommandError):
        copy(world)
    copy(world)
    assert STORE.has_image(handle(world, "two"), IMAGE)


def test_probe_knows_a_lie(world: SimWorld) -> None:
    host = handle(world, "one")
    path = STORE.staging_path(host, IMAGE)
    with pytest.raises(NotFoundError):
        STORE.probe(host, path)
    images.stage(host, path, "qcow2", 5 * GIB)
    assert STORE.probe(host, path, "qcow2").virtual_size == 5 * GIB
    with pytest.raises(ImageError):
        STORE.probe(host, path, "raw")
    host.transport.write_file(path, b"")
    with pytest.raises(ImageError):
        STORE.probe(host, path)


def test_a_stale_disk_is_recorded(world: SimWorld) -> None:
    path = with_disk(world)
    driver = hypervisor(world, "one")
    driver.start(spec(1, disks=[path]))
    driver.destroy(uuid_of(1))
    with_image(world, "two")
    STORE.move_vm(handle(world, "one"), handle(world, "two"), 1, [DISK], job="4", progress=None, cancel=None)
    driver.undefine(uuid_of(1))
    hypervisor(world, "two").start(spec(1, disks=[path]))
    assert world.audit.violations() == []
    hypervisor(world, "two").destroy(uuid_of(1))
    driver.start(spec(1, disks=[path]))
    assert len(world.audit.violations("stale_disk")) == 1


def test_a_block_copy_brings_what_was_written(world: SimWorld) -> None:
    path = with_disk(world)
    hypervisor(world, "one").start(spec(1, disks=[path]))
    with_image(world, "two")
    with pytest.raises(NotFoundError):
        hypervisor(world, "one").migrate(request(world, "two", copy_targets=("vda",)), progress=None, cancel=None)
    STORE.prepare_incoming(handle(world, "two"), [DISK], None)
    hypervisor(world, "one").migrate(request(world, "two", copy_targets=("vda",)), progress=None, cancel=None)
    STORE.remove_vm(handle(world, "one"), 1, [DISK], keep_persistent=False)
    assert world.audit.violations() == []
    assert world.leaks([1]) == []


def test_a_forgotten_block_copy_is_recorded(world: SimWorld) -> None:
    path = with_disk(world)
    hypervisor(world, "one").start(spec(1, disks=[path]))
    with_image(world, "two")
    STORE.prepare_incoming(handle(world, "two"), [DISK], None)
    hypervisor(world, "one").migrate(request(world, "two"), progress=None, cancel=None)
    assert len(world.audit.violations("stale_disk")) == 1


def test_making_a_disk_anew_elsewhere_is_recorded(world: SimWorld) -> None:
    path = with_disk(world)
    hypervisor(world, "one").start(spec(1, disks=[path]))
    with_disk(world, "two")
    assert len(world.audit.violations("disk_made_anew")) == 1


def test_taking_files_from_under_a_guest_is_recorded(world: SimWorld) -> None:
    path = with_disk(world)
    host = handle(world, "one")
    hypervisor(world, "one").start(spec(1, disks=[path]))
    with_image(world, "two")
    STORE.move_vm(host, handle(world, "two"), 1, [DISK], job="4", progress=None, cancel=None)
    STORE.remove_image(host, IMAGE)
    STORE.remove_vm(host, 1, [DISK])
    kinds = [violation.split(":")[0] for violation in world.audit.violations()]
    assert kinds == ["copied_in_use", "backing_removed", "removed_in_use"]


def test_two_writers_are_recorded(world: SimWorld) -> None:
    path = with_disk(world)
    hypervisor(world, "one").start(spec(1, disks=[path], cards=0))
    hypervisor(world, "one").start(spec(2, disks=[path], cards=0))
    assert len(world.double_runs()) == 1
    shared = "/srv/shared/2/images/disk.raw"
    hypervisor(world, "two").start(spec(3, disks=[path.replace("/datastores/1/", "/elsewhere/1/")], cards=0))
    assert len(world.double_runs()) == 1
    for name, vm_id in (("two", 4), ("three", 5)):
        world.storage.upload(name, shared, 10, b"")
        hypervisor(world, name).start(spec(vm_id, disks=[shared], cards=0))
    assert len(world.double_runs()) == 2
