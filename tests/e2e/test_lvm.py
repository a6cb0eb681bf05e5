"""The LVM driver on hosts whose kernel has no device mapper, by what stands in for LVM's tools (tests/support/lvmtools.py): its
contract, cuts at every errand, copies that are killed, and a guest. Real groups are in test_machines_lvm.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lvm import LvmDatastore
from nebula.errors import CommandError, InterruptedByUser, NebulaError
from tests.contract.cuts import COPY, DEEDS, HOW, IMAGE, assert_cleared, assert_ended, assert_taken_back
from tests.contract.datastore import DatastoreContract, DatastoreLab, clone_of, take_in, volatile
from tests.e2e.handles import handles, killed
from tests.e2e.program import Program
from tests.e2e.soundness import SHARED
from tests.e2e.test_disk_move import alive
from tests.e2e.test_machines_lvm import holding, stage
from tests.e2e.test_main_job import create
from tests.e2e.test_snapshots import keep
from tests.lab.gates import Gate
from tests.lab.handle import LabHandle, guest_facts
from tests.support import lvmtools

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

SIZE = 1 << 30
_SET_UP = 'mkdir -p "/dev/$1" "$2" && mount -t tmpfs tmpfs "/dev/$1" && cat >"/run/lvm-$1.json"'
_CLEAN = """
for name in $(lvm lvs --separator '|' -o lv_name "$1"); do
    case $name in pool) ;; *) lvm lvchange -an "$1/$name"; [ "$2" = keep ] || lvm lvremove "$1/$name" ;; esac
done
rm -rf /var/lib/nebula/datastores/100 /var/lib/nebula/work
"""
_END = 'lvm lvremove "$1/pool" 2>/dev/null; umount "/dev/$1"; rm -rf "$2" "/run/lvm-$1.json"; true'


@pytest.fixture(scope="module")
def groups(session_lab: LabHandle) -> Iterator[dict[str, str]]:
    """The names of a group that each host has for itself, with a thin pool, and of one that both see."""
    number = session_lab.status()["number"]
    names = {"own": f"nbown{number}", "san": f"nbsan{number}"}
    places = {"own": "/var/lib/nebula-group", "san": f"{SHARED}/group"}
    tool = "#!/usr/bin/python3 -IS\n" + Path(lvmtools.__file__).read_text()
    for host in ("h1", "h2"):
        files = session_lab.root / "hosts" / host / "local-bin"
        for name, text in {"lvm": tool, "thin_check": "#!/bin/sh\n"}.items():
            (files / name).write_text(text)
            (files / name).chmod(0o755)
        for kind, name in names.items():
            told = json.dumps({"host": host, "directory": places[kind], "size": SIZE})
            session_lab.exec(host, "sh", "-c", f"printf %s '{told}' | ({_SET_UP})", "set-up", name, places[kind])
        session_lab.exec(host, "lvm", "lvcreate", "-L", "256M", "-n", "pool", names["own"])
    yield names
    for host in ("h1", "h2"):
        for kind, name in names.items():
            session_lab.exec(host, "sh", "-c", _END, "end", name, places[kind])
        for name in ("lvm", "thin_check"):
            (session_lab.root / "hosts" / host / "local-bin" / name).unlink()
    for name in names.values():
        Path("/dev", name).rmdir()


@pytest.fixture(scope="module")
def hosts(session_lab: LabHandle, groups: dict[str, str], session_cluster: Program) -> Iterator[tuple[HostHandle, ...]]:
    """The lab's hosts as drivers know them; the engine made them known to each other."""
    assert session_cluster.json("host", "list", "-c", "name", "-f", "json") == [{"name": "h1"}, {"name": "h2"}]
    with handles(session_lab, "h1", "h2") as found:
        yield found


def lab_of(datastore: LvmDatastore, lab: LabHandle, hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    """Nothing of ours is in the group after each test, nor active."""

    def lying() -> list[str]:
        files = 'find /var/lib/nebula/datastores/100 /var/lib/nebula/work ! -type d 2>/dev/null; ls "/dev/$1"; true'
        there = {line for host in hosts for line in lab.exec(host.name, "sh", "-c", files, "lying", group).split()}
        return sorted({*there, *(name for host in hosts for name in datastore.names(host))} - {"pool"})

    group, shared = datastore.group.settings.group, datastore.capabilities.shared
    yield DatastoreLab(
        datastore, hosts[0], hosts[1], lambda host, image: stage(datastore, host, image),
        lambda host, disk: holding(host, datastore.disk_path(host, disk)), lying,
    )  # fmt: skip
    lab.exec("h2", "sh", "-c", _CLEAN, "clean", group, "keep" if shared else "remove")
    lab.exec("h1", "sh", "-c", _CLEAN, "clean", group, "remove")
    assert lying() == []


@pytest.fixture
def san_lab(session_lab: LabHandle, groups: dict[str, str], hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": groups["san"], "SHARED": "yes"}), session_lab, hosts)


@pytest.fixture
def thin_lab(session_lab: LabHandle, groups: dict[str, str], hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": groups["own"], "LVM_THIN_ENABLE": "yes"}), session_lab, hosts)


@pytest.fixture
def thick_lab(session_lab: LabHandle, groups: dict[str, str], hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": groups["own"]}), session_lab, hosts)


class TestSan(DatastoreContract):
    @pytest.fixture
    def lab(self, san_lab: DatastoreLab) -> DatastoreLab:
        return san_lab


class TestThick(DatastoreContract):
    @pytest.fixture
    def lab(self, thick_lab: DatastoreLab) -> DatastoreLab:
        return thick_lab


STEPS = [
    *(("san_lab", name) for name in ("an image is cloned", "disks are made", "a VM is migrated live", "a VM is migrated cold")),
    *(("thick_lab", name) for name in ("an image is copied", "a VM is migrated live", "a VM is migrated cold")),
    ("thin_lab", "disks are made"),
]
"""Each step that is another one than in the cases before."""
QUICK = {("san_lab", "an image is cloned"), ("thick_lab", "an image is copied"), ("thick_lab", "a VM is migrated live")}
"""The others take minutes of starting LVM's tools: they are in the slow tier."""
CUT = [pytest.param(*step, marks=[] if step in QUICK else [pytest.mark.slow]) for step in STEPS]


@pytest.mark.parametrize(("kind", "name"), CUT)
def test_what_was_cut_at_each_errand_is_done_in_the_end(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    assert_ended(request.getfixturevalue(kind), DEEDS[name])


@pytest.mark.parametrize(("kind", "name"), CUT)
def test_what_was_cut_at_any_errand_is_taken_back(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    assert_taken_back(request.getfixturevalue(kind), DEEDS[name])


@pytest.mark.parametrize(("kind", "name"), CUT[:6])
def test_what_is_killed_between_any_two_commands_is_done_in_the_end(
    kind: str, name: str, session_lab: LabHandle, request: pytest.FixtureRequest
) -> None:
    """The script on the host ends as by a crash, after each command of LVM's."""
    lab: DatastoreLab = request.getfixturevalue(kind)
    deed = DEEDS[name]
    deed.ready(lab)
    for number in range(1, 100):
        for host in ("h1", "h2"):
            session_lab.exec(host, "sh", "-c", f"echo {number} >/run/lvm-kill")
        try:
            deed.do(lab)
        except NebulaError:
            continue
        left = [session_lab.exec(host, "sh", "-c", "cat /run/lvm-kill; rm -f /run/lvm-kill") for host in ("h1", "h2")]
        if all(left):  # nothing was killed any more
            break
    deed.is_done(lab)
    assert_cleared(lab)


@pytest.mark.parametrize("kind", ["san_lab", "thick_lab"])
def test_a_copy_that_is_killed_leaves_nothing_and_is_made_at_the_next_go(
    kind: str, session_lab: LabHandle, request: pytest.FixtureRequest
) -> None:
    lab: DatastoreLab = request.getfixturevalue(kind)
    store, disk = lab.datastore, clone_of(IMAGE)
    assert isinstance(store, LvmDatastore)
    take_in(lab, IMAGE)
    whole = set(store.names(lab.source))

    def clone() -> None:
        store.clone_image(lab.source, IMAGE, COPY, **HOW)

    def create_disk() -> None:
        store.create_disk(lab.source, disk, **HOW)

    for do in (clone, create_disk):
        error = killed(lab.source, Gate(session_lab, "h1", "qemu-img", "convert"), do)
        assert isinstance(error, CommandError)
        assert set(store.names(lab.source)) == whole
        do()
        whole = set(store.names(lab.source))
        assert [name for name in whole if name.endswith(".part")] == []
    assert store.has_image(lab.source, COPY)
    assert store.has_disk(lab.source, disk)
    assert_cleared(lab)


@pytest.mark.parametrize(("host", "words"), [("h2", "oflag=direct"), ("h1", "iflag=direct")])
def test_a_volume_on_its_way_to_another_host_is_killed_at_either_end(
    host: str, words: str, session_lab: LabHandle, thick_lab: DatastoreLab
) -> None:
    """What writes it there, or what reads it here: half of a volume is never taken for a whole one."""
    lab, disk = thick_lab, volatile()
    store = lab.datastore
    assert isinstance(store, LvmDatastore)
    store.create_disk(lab.source, disk, **HOW)

    def move() -> None:
        store.move_vm(lab.source, lab.target, 7, [disk], **HOW)

    error = killed(lab.target, Gate(session_lab, host, "dd", words), move)
    assert isinstance(error, CommandError)
    assert set(store.names(lab.target)) == {"pool"}
    assert store.has_disk(lab.source, disk)
    move()
    assert store.has_disk(lab.target, disk)
    assert_cleared(lab)


def test_a_volume_on_its_way_is_waited_for_by_the_next_engine(session_lab: LabHandle, thick_lab: DatastoreLab) -> None:
    """Which finds it open where it comes from: by this very copy."""
    lab, disk = thick_lab, volatile()
    store = lab.datastore
    take_in(lab, IMAGE)
    store.create_disk(lab.source, disk, **HOW)

    def copy(cancel: CancelToken | None) -> None:
        store.copy_image(lab.source, lab.target, IMAGE, job="21-copy", progress=None, cancel=cancel)

    def move(cancel: CancelToken | None) -> None:
        store.move_vm(lab.source, lab.target, 7, [disk], job="22-move", progress=None, cancel=cancel)

    for do in (copy, move):
        gate, token = Gate(session_lab, "h1", "dd", "iflag=direct"), CancelToken()
        with gate.shut(), ThreadPoolExecutor() as threads:
            first = threads.submit(do, token)
            gate.await_reached()
            token.set(f"{ENGINE_STOPPING} by a test")
            with pytest.raises(InterruptedByUser):
                first.result(60)
            second = threads.submit(do, None)
            time.sleep(1)
            gate.open()
            second.result(60)
    assert store.has_image(lab.target, IMAGE)
    assert store.has_disk(lab.target, disk)
    assert_cleared(lab)


def test_a_guest_lives_on_volumes_and_moves_between_them(
    cluster: Program, lab: LabHandle, groups: dict[str, str], guest_image: Path
) -> None:
    cluster.out("datastore", "create", "san", "--driver", "lvm", "--vg-name", groups["san"], "--shared-group")
    cluster.out("datastore", "create", "thick", "--driver", "lvm", "--vg-name", groups["own"])
    for name in ("san", "thick"):
        assert cluster.out("datastore", "check", name).count("made, wrote, read and removed") == 2
    cluster.out("image", "create", "blocks", "--path", str(guest_image), "--datastore", "san")
    address = create(cluster, "web", "blocks", "--host", "h1")
    keep(address, "first")
    before = guest_facts(address)
    cluster.out("vm", "migrate", "web", "--live", "--host", "h2")
    before = alive(address, before)
    for datastore in ("thick", "default", "san"):
        cluster.out("vm", "disk-move", "web", "vda", datastore)
        before = alive(address, before)
    cluster.out("vm", "disk-move", "web", "vda", "thick")
    cluster.out("vm", "migrate", "web", "--live", "--host", "h1")
    alive(address, before)
    cluster.out("vm", "terminate", "web", "--hard")
    cluster.out("image", "remove", "blocks")
    for host in ("h1", "h2"):
        for group in groups.values():
            assert set(lab.exec(host, "lvm", "lvs", "--separator", "|", "-o", "lv_name", group).split()) <= {"pool"}
    for name in ("san", "thick"):
        cluster.out("datastore", "remove", name)
