"""Templates as people and programs write them: made regular or refused in words, and never a surprise at the start."""

from __future__ import annotations

import string
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.lifecycle.states import ImageState
from nebula.engine.machines.disks import Disk, free_target, plan
from nebula.engine.machines.domain import design
from nebula.engine.machines.machine import Machine, body_of
from nebula.engine.machines.template import attribute_name, hundredths, mebibytes, regular, whole, yes
from nebula.engine.store.rows import ImageRow, VmRow
from nebula.errors import NebulaError, NotFoundError, UsageError
from nebula.model.domain import DomainFirmware

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["1", "0", "-1", "2G", "512M", "YES", "vda", "sdb", "hda", "swap", "ext4", "raw", "base", "data", "cd"]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)
KEYS = ["IMAGE", "IMAGE_ID", "SIZE", "FORMAT", "TYPE", "FS", "TARGET", "DEV_PREFIX", "CACHE", "READONLY", "target", "Size"]
disks = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
GROUPS = ["DISK", "NIC", "CONTEXT", "GRAPHICS", "OS", "FEATURES", "CPU_MODEL", "NAME", "CPU", "VCPU", "MEMORY", "NIC_DEFAULT"]
templates = st.dictionaries(st.sampled_from(GROUPS) | st.text(max_size=8), values, max_size=6)


def image(number: int, name: str, **more: Any) -> ImageRow:
    given = {"type": "os", "format": "qcow2", "size": 8 << 20, "state": int(ImageState.READY), **more}
    return ImageRow(id=number, name=name, uuid=f"u{number}", datastore_id=1, **given)


IMAGES = {
    row.name: row for row in (image(1, "base"), image(2, "data", persistent=1), image(3, "cd", type="cdrom", format="raw"))
}


def named(ref: str) -> ImageRow:
    if ref not in IMAGES:
        raise NotFoundError(f"there is no image {ref!r}")
    return IMAGES[ref]


@given(values)
def test_any_template_is_made_regular_or_refused(value: Any) -> None:
    for whole_thing in (value, {"X": value}, {"DISK": value}, {"CONTEXT": value}):
        if isinstance(whole_thing, dict):
            before = repr(whole_thing)
            made = _refused_or(lambda given=whole_thing: regular(given))
            assert made is None or all(isinstance(key, str) and key == key.upper() for key in made)
            assert repr(whole_thing) == before, "what was given is not touched"


@given(templates)
def test_what_is_regular_stays_regular(template: dict[str, Any]) -> None:
    made = _refused_or(lambda: regular(template))
    if made is not None:
        assert regular(made) == made or made != made  # noqa: PLR0124 - not-a-number is not itself


@settings(max_examples=300)
@given(st.lists(disks, max_size=4))
def test_disks_are_planned_or_refused_and_what_is_planned_can_be_made(given: list[dict[str, Any]]) -> None:
    template = _refused_or(lambda: regular({"DISK": given}))
    made = _refused_or(lambda: plan(template["DISK"], named, lambda: 2)) if template else None
    if made is None:
        return
    planned, used = made
    assert len({disk.target for disk in planned}) == len(planned) == len(given)
    assert [disk.image_id for disk in planned if disk.image_id > 0] == [row.id for row in used]
    for disk in planned:
        spec = disk.spec(7)
        assert spec.kind in {"clone", "persistent", "cdrom", "volatile"}
        assert spec.size > 0 or spec.image is not None
        assert spec.size < 1 << 63


@given(st.sampled_from(["vd", "sd", "hd"]), st.integers(0, 60))
def test_free_targets_never_collide(prefix: str, count: int) -> None:
    taken: set[str] = set()
    for _ in range(count):
        target = free_target(prefix, taken)
        assert target not in taken
        assert target.startswith(prefix)
        taken.add(target)


@given(scalars)
def test_numbers_are_numbers_in_range_or_refused(value: Any) -> None:
    found = {"X": value}
    for read, low, high in (
        (lambda: whole(found, "X", 1, 1, 64), 1, 64),
        (lambda: mebibytes(found, "X", 1), 1, 1 << 26),
        (lambda: hundredths(found, "X", 1.0), 1, 409_600),
    ):
        number = _refused_or(read)
        assert number is None or low <= number <= high


@pytest.mark.parametrize("value", ["YES", "yes", "true", True, "1", " Yes "])
def test_yes(value: Any) -> None:
    assert yes({"X": value}, "X")


@pytest.mark.parametrize("value", ["NO", "", "0", False, None, 0])
def test_no(value: Any) -> None:
    assert not yes({"X": value}, "X")
    assert not yes({}, "X")


@pytest.mark.parametrize("value", ["maybe", "y", 2, "soon"])
def test_neither_yes_nor_no(value: Any) -> None:
    with pytest.raises(UsageError, match="X must be YES or NO"):
        yes({"X": value}, "X")


@given(st.text(string.printable, max_size=140))
def test_attribute_names(text: str) -> None:
    name = _refused_or(lambda: attribute_name(text))
    if name is not None:
        assert name == name.upper()
        assert not set(name) & set(" \n\t\"'$;=[]")


@pytest.mark.parametrize(
    "deep", [{"A": [[[[[[[[[[1]]]]]]]]]]}, {"A": [0] * 5000}, {"A": "x" * (256 * 1024 + 1)}, {"A": "a\0b"}, {"A": object()}]
)
def test_too_much_is_refused(deep: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        regular(deep)


def test_a_cyclic_one_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["A"] = loop
    with pytest.raises(UsageError):
        regular(loop)


def test_the_design_of_a_domain() -> None:
    disk = Disk(disk_id=0, kind="clone", format="qcow2", size=0, datastore_id=1, target="vda", bus="virtio", image_id=1)
    machine = Machine(
        template=regular({"OS": {"FIRMWARE": "UEFI"}, "GRAPHICS": {"TYPE": "spice", "PORT": "5901"}}), disks=[disk]
    )
    vm = VmRow(id=7, name="web", uuid="u", owner="", state=3, memory=512, vcpus=2, cpu=150, body=body_of(machine))
    spec = design(vm, virt="kvm", baseline="<cpu/>", paths={0: "/disk"}, context_path="/vm/context.iso", networks={})
    assert (spec.name, spec.title, spec.memory_mib, spec.vcpus, spec.cpu_share) == ("one-7", "web", 512, 2, 150)
    assert (spec.uefi, spec.cpu_xml) == (DomainFirmware(nvram="/vm/nvram.fd"), "<cpu/>")
    assert spec.graphics is not None
    assert (spec.graphics.type, spec.graphics.port) == ("spice", 5901)
    assert [(item.path, item.device, item.boot_order) for item in spec.disks] == [
        ("/disk", "disk", 1),
        ("/vm/context.iso", "cdrom", 0),
    ]
    assert design(vm, virt="qemu", baseline="<cpu/>", paths={0: "/disk"}, context_path="", networks={}).cpu_xml == ""


def _refused_or(work: Any) -> Any:
    """The result, or None if it was refused in words; anything else is a bug."""
    with suppress(NebulaError):
        return work()
    return None
