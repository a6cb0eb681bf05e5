"""What a volume group's settings mean, what hosts are told to do with it, and what is read off their reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lvm import LvmDatastore
from nebula.drivers.datastore.lvmgroup import Report, report_of, rows_of, usage_of
from nebula.drivers.datastore.lvmscript import ABSENT, BUSY, ELSEWHERE
from nebula.drivers.datastore.lvmsettings import sectors, settings_of
from nebula.engine.hosts import HostPool
from nebula.engine.store.rows import DatastoreRow
from nebula.errors import CapacityError, CommandError, ConflictError, NotFoundError, UnreachableError, UsageError
from nebula.model.storage import DiskSpec, ImageSpec
from nebula.transport.base import Completed
from nebula.transport.local import LocalTransport

MIB = 1 << 20
IMAGE = ImageSpec(image_id=1, uuid="00000000-0000-4000-8000-000000000001", format="raw", size=8 * MIB)
CLONE = DiskSpec(vm_id=7, disk_id=0, kind="clone", format="raw", size=9 * MIB, image=IMAGE)
EMPTY = DiskSpec(vm_id=7, disk_id=1, kind="volatile", format="raw", size=8 * MIB + 1)
OWN = DiskSpec(vm_id=7, disk_id=2, kind="persistent", format="raw", image=IMAGE)
CD = DiskSpec(vm_id=7, disk_id=3, kind="cdrom", format="raw", image=IMAGE)
NAME = f"nebula-{IMAGE.uuid}"
GROUP = b"""{"report": [{"vg": [{"vg_name":"vg0", "vg_size":"1069547520", "vg_free":"629145600", "vg_extent_size":"4194304",
"vg_lock_type":"", "vg_missing_pv_count":"0"}]}]}"""
VOLUMES = b"""{"report": [{"lv": [
{"lv_name":"pool", "lv_size":"419430400", "pool_lv":"", "data_percent":"25.00", "metadata_percent":"10.94", "lv_tags":"",
 "lv_active":"active", "lv_device_open":"open"},
{"lv_name":"nebula-100-7-1", "lv_size":"8388608", "pool_lv":"pool", "data_percent":"", "metadata_percent":"",
 "lv_tags":"nebula-on-3,nebula-on-12,other", "lv_active":"", "lv_device_open":"unknown"},
{"lv_name":"nebula-100-8-0.part", "lv_size":"12582912", "pool_lv":"pool", "data_percent":"100.00", "metadata_percent":"",
 "lv_tags":"", "lv_active":"active", "lv_device_open":"open"}]}]}"""


class Told(LocalTransport):
    """Keeps the words of each script that it would run; its answers are ordered beforehand."""

    def __init__(self, answers: Sequence[bytes | CommandError] = ()) -> None:
        super().__init__("h")
        self.seen: list[tuple[str, ...]] = []
        self._answers = list(answers)

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        script, words = (argv[2], argv[4:]) if argv[0] == "sh" else ("", argv)
        self.seen.append((*words, "" if script else "tool"))
        answer = self._answers.pop(0) if self._answers else b""
        if isinstance(answer, CommandError):
            raise answer
        return Completed(tuple(argv), 0, answer, b"")


def host(transport: LocalTransport, host_id: int = 3) -> HostHandle:
    return HostHandle(
        host_id=host_id, name="h", address="10.0.0.1", user="root", port=22, virt="qemu", root="/srv/n", transport=transport
    )  # fmt: skip


def report() -> Report:
    return report_of(rows_of(GROUP, "vg")[0], rows_of(VOLUMES, "lv"))


def failed(status: int, words: str) -> CommandError:
    return CommandError("h", ["sh"], status, words)


@pytest.mark.parametrize(
    ("given", "group", "pool", "shared"),
    [
        ({}, "vg-one-100", "", False),
        ({"VG_NAME": "vg0", "LVM_THIN_ENABLE": "yes"}, "vg0", "pool", False),
        ({"VG_NAME": "vg0", "THIN_POOL": "fast"}, "vg0", "fast", False),
        ({"VG_NAME": "san", "SHARED": "YES"}, "san", "", True),
    ],
)
def test_settings_have_opennebulas_names(given: dict[str, str], group: str, pool: str, shared: bool) -> None:
    found = settings_of(100, given)
    assert (found.group, found.pool, found.shared, found.zero_new, found.zero_old) == (group, pool, shared, True, False)


@pytest.mark.parametrize(
    "given",
    [
        {"VG_NAME": "-rf"},
        {"VG_NAME": "a/b"},
        {"VG_NAME": ".."},
        {"VG_NAME": "a b"},
        {"VG_NAME": "x" * 41},
        {"THIN_POOL": "a|b"},
        {"SHARED": "perhaps"},
        {"THIN_POOL": "pool", "LVM_THIN_ENABLE": "no"},
        {"LVM_THIN_ENABLE": "yes", "THIN_POOL_LIMIT": "101"},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        LvmDatastore(100, given)


def test_a_shared_group_has_no_thin_pool_and_the_refusal_says_why() -> None:
    with pytest.raises(UsageError, match="no thin volumes") as refused:
        LvmDatastore(100, {"SHARED": "yes", "LVM_THIN_ENABLE": "yes"})
    assert "active" in refused.value.cause


def test_sizes_are_told_in_sectors() -> None:
    assert (sectors(512), sectors(513)) == ("1", "2")
    with pytest.raises(UsageError, match="0 bytes"):
        sectors(0)


def test_capabilities_follow_from_where_the_group_is() -> None:
    own = LvmDatastore(100, {"LVM_THIN_ENABLE": "yes"}).capabilities
    assert (own.shared, own.live_copy, own.linked_clones, own.turns) == (False, True, True, "")
    san = LvmDatastore(100, {"VG_NAME": "san", "SHARED": "yes"}).capabilities
    assert (san.shared, san.live_copy, san.linked_clones, san.turns) == (True, False, False, "lvm:san")
    for able in (own, san):
        assert (able.formats, able.exclusive, able.activates, able.snapshots, able.moves) == (
            ("raw",), False, True, False, True,
        )  # fmt: skip


def test_volumes_have_our_names_and_are_devices() -> None:
    lvm, told = LvmDatastore(100, {"VG_NAME": "vg0"}), host(Told())
    assert lvm.image_path(told, IMAGE) == lvm.disk_path(told, OWN) == lvm.disk_path(told, CD) == f"/dev/vg0/{NAME}"
    assert lvm.disk_path(told, CLONE) == f"/dev/vg0/{NAME}-7-0"
    assert lvm.disk_path(told, EMPTY) == "/dev/vg0/nebula-100-7-1"
    with pytest.raises(UsageError):
        lvm.disk_path(
            told, DiskSpec(vm_id=7, disk_id=0, kind="cdrom", image=ImageSpec(image_id=1, uuid="a/b", format="raw", size=1))
        )


def test_a_thin_clone_is_a_snapshot_of_its_image() -> None:
    told = Told([b"yes\n"])
    LvmDatastore(100, {"VG_NAME": "vg0", "LVM_THIN_ENABLE": "yes"}).create_disk(
        host(told), CLONE, job="1-x", progress=None, cancel=None
    )
    assert told.seen == [("vg0", "pool", "", "yes", NAME, ""), ("vg0", "pool", "", "yes", f"{NAME}-7-0", NAME, "18432", "")]


def test_on_a_shared_group_hosts_are_told_who_they_are() -> None:
    told = Told()
    san = LvmDatastore(100, {"VG_NAME": "san", "SHARED": "yes", "ZERO_LVM_ON_CREATE": "no"})
    san.activate(host(told), OWN)
    san.prepare_incoming(host(told, 4), [CLONE, CD], None)
    san.remove_vm(host(told), 7, [CLONE, OWN, CD], keep_persistent=False)
    assert [words for words in told.seen if "tool" not in words] == [
        ("san", "", "3", "no", NAME, ""),
        ("san", "", "4", "no", f"{NAME}-7-0", ""),
        ("san", "", "4", "no", NAME, ""),
        ("san", "", "3", "no", f"{NAME}-7-0", NAME, ""),
        ("san", "", "3", "no", NAME, ""),
    ]


def test_of_a_vm_that_ends_exactly_its_own_volumes_are_removed() -> None:
    told = Told()
    LvmDatastore(100, {"VG_NAME": "vg0"}).remove_vm(host(told), 7, [CLONE, OWN, CD])
    halves = [f"{NAME}-7-0{half}" for half in ("", ".part", ".restored", ".restored.part")]
    assert told.seen[-1] == ("vg0", "", "", "yes", *halves, "")


def test_a_report_is_read() -> None:
    found = report()
    assert (found.name, found.size, found.free, found.extent, found.lock_type) == ("vg0", 1069547520, 629145600, 4 * MIB, "")
    pool, disk, part = found.volumes
    assert (pool.data, pool.metadata, pool.open) == (25.0, 10.94, True)
    assert (disk.hosts, disk.active, disk.open, disk.data) == ([3, 12], False, False, -1.0)
    assert (part.hosts, part.active, part.open) == ([], True, True)


def test_space_of_a_group_and_of_a_thin_pool() -> None:
    thick = usage_of(report(), settings_of(100, {"VG_NAME": "vg0"}))
    assert (thick.total, thick.used, thick.free, thick.promised) == (1069547520, 440401920, 629145600, 440401920)
    thin = usage_of(report(), settings_of(100, {"VG_NAME": "vg0", "LVM_THIN_ENABLE": "yes"}))
    assert (thin.total, thin.used, thin.promised) == (400 * MIB, 100 * MIB, 20 * MIB)
    assert (thin.free, thin.data_percent, thin.metadata_percent) == (260 * MIB, 25.0, 10.94)


@pytest.mark.parametrize("limit", ["20", "10"])
def test_above_its_limit_nothing_is_free_in_a_thin_pool(limit: str) -> None:
    """20: of its data; 10: of its metadata, too."""
    assert usage_of(report(), settings_of(100, {"THIN_POOL": "pool", "THIN_POOL_LIMIT": limit})).free == 0


def test_a_missing_pool_is_told_with_what_makes_one() -> None:
    with pytest.raises(NotFoundError, match="no thin pool other") as missing:
        usage_of(report(), settings_of(100, {"THIN_POOL": "other"}))
    assert missing.value.hint.startswith("lvcreate --type thin-pool")


def test_vms_are_found_by_their_volumes() -> None:
    assert LvmDatastore(100, {"VG_NAME": "vg0"}).vm_ids(host(Told([GROUP, VOLUMES]))) == [7, 8]


def test_a_disk_that_is_open_is_refused() -> None:
    disk = DiskSpec(vm_id=8, disk_id=0, kind="volatile", format="raw", size=MIB)
    open_ = VOLUMES.replace(b"nebula-100-8-0.part", b"nebula-100-8-0")
    with pytest.raises(ConflictError, match="two writers"):
        LvmDatastore(100, {"VG_NAME": "vg0"}).require_unused(host(Told([GROUP, open_])), disk)
    LvmDatastore(100, {"VG_NAME": "vg0"}).require_unused(host(Told([GROUP, VOLUMES])), EMPTY)


@pytest.mark.parametrize(
    ("status", "words", "kind", "says"),
    [
        (ABSENT, "", NotFoundError, "does not find disk 1"),
        (ELSEWHERE, f"vg0/{NAME} is active on host 12", ConflictError, "belongs to host 12"),
        (BUSY, "Logical volume in use.", ConflictError, "in use"),
        (
            5,
            '  Volume group "vg0" has insufficient free space (1 extents): 3 required.',
            CapacityError,
            "vg0 on host h is full",
        ),
        (5, '  Volume group "vg0" not found', NotFoundError, "has no volume group vg0"),
        (1, "Connection closed\nthe other host ended with status 255", UnreachableError, "lost the host"),
        (1, "Permission denied (publickey).\nthe other host ended with status 255", CommandError, "refused what host h asked"),
        (5, "  Something else", CommandError, "refused what host h asked"),
    ],
)
def test_errors_are_told_in_words(status: int, words: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        LvmDatastore(100, {"VG_NAME": "vg0"}).activate(host(Told([failed(status, words)])), EMPTY)


def test_who_has_a_volume_is_told_with_what_ends_it() -> None:
    with pytest.raises(ConflictError) as refused:
        LvmDatastore(100, {"VG_NAME": "vg0", "SHARED": "yes"}).activate(
            host(Told([failed(ELSEWHERE, f"vg0/{NAME} is active on host 12")])), OWN
        )
    assert refused.value.hint.endswith(f"lvchange --nohints --deltag nebula-on-12 vg0/{NAME}")


def test_jobs_write_a_shared_groups_metadata_one_after_the_other() -> None:
    pool = HostPool(lambda _: LocalTransport("h"))
    rows = [
        DatastoreRow(id=number, name=f"d{number}", type="image", driver="lvm", body={"settings": settings})
        for number, settings in enumerate(({"VG_NAME": "san", "SHARED": "yes"}, {"VG_NAME": "san", "SHARED": "yes"}, {}), 100)
    ]
    one, other, own = (pool.datastore(row) for row in rows)
    assert isinstance(one, LvmDatastore)
    assert isinstance(other, LvmDatastore)
    assert isinstance(own, LvmDatastore)
    with one.group.turn():
        assert one.group.turn() is other.group.turn()
        assert other.group.turn().locked()  # type: ignore[attr-defined]
    assert own.group.turn() is not own.group.turn()
