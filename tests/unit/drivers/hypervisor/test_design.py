"""Domain definitions: golden files, libvirt's own schema, and text that means harm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.hypervisor.libvirt.design import FIXED_PORTS, SPARE_PORTS, cpu, domain_xml
from nebula.drivers.hypervisor.libvirt.xml.metadata import NAMESPACE, mark, vm_id_of
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError
from nebula.model.domain import DomainDisk, DomainFirmware, DomainGraphics, DomainInterface, DomainSpec

GOLDEN = Path(__file__).parent / "golden"
DISK = DomainDisk(disk_id=0, path="/var/lib/nebula/datastores/1/7/disk.0.qcow2", target="vda", serial="one-7-0", boot_order=1)
CONTEXT = DomainDisk(
    disk_id=1, path="/var/lib/nebula/datastores/1/7/context.iso", target="sda", bus="sata", format="raw", device="cdrom"
)
RBD = "rbd:one/nebula-1?user=libvirt&secret=5a1cd1a5-0000-4b5c-9a39-6a2f6a0c1e07&host=10.0.0.1&host=[fd00::2]:6790"
LUN = "iscsi:iqn.2026-01.org.example:san/3?host=10.0.0.9:3261&user=nebula&secret=5a1cd1a5-0000-4b5c-9a39-6a2f6a0c1e07"
OPEN_LUN = "iscsi:iqn.2026-01.org.example:san/4?host=[fd00::9]&user=nebula&usage=libvirtiscsi"
CARD = DomainInterface(nic_id=0, mac="02:00:c0:a8:00:07", bridge="br0", tap="one-7-0", mtu=1450)
BASE = DomainSpec(
    vm_id=7,
    uuid="5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07",
    name="one-7",
    title="web <1> & 'two'",
    memory_mib=1024,
    vcpus=2,
    cpu_share=150,
    disks=(DISK, CONTEXT),
    interfaces=(CARD,),
    graphics=DomainGraphics(),
)
CLUSTER_CPU = (
    '<cpu mode="custom" match="exact"><model fallback="forbid">EPYC</model><feature policy="disable" name="svm"/></cpu>'
)


def read(text: str) -> ET.Element:
    return parse(text, "a test's XML")


def changed(**more: object) -> DomainSpec:
    return msgspec.structs.replace(BASE, **more)


SPECS = {
    "kvm-q35": BASE,
    "qemu-pc": changed(virt="qemu", machine="pc", serial_log="/var/log/libvirt/qemu/one-7-serial.log", guest_agent=False),
    "blind-kernel": changed(
        virt="qemu", graphics=None, kernel="/boot/k", initrd="/boot/i", kernel_cmd='a="b" <c>', disks=(), title=""
    ),
    "uefi-baseline": changed(uefi=DomainFirmware(), cpu_xml=CLUSTER_CPU),
    "open-vswitch": changed(
        interfaces=(
            msgspec.structs.replace(CARD, bridge="one-7-0b", open_vswitch=True),
            msgspec.structs.replace(CARD, nic_id=3, bridge="one-7-3b", tap="one-7-3", open_vswitch=True),
        )
    ),
    "rbd": changed(
        disks=(
            msgspec.structs.replace(DISK, format="raw", path=RBD),
            msgspec.structs.replace(DISK, disk_id=2, target="vdb", format="raw", path="rbd:one/b?conf=/etc/ceph/far.conf"),
            CONTEXT,
        )
    ),
    "iscsi": changed(
        disks=(
            msgspec.structs.replace(DISK, format="raw", path=LUN),
            msgspec.structs.replace(DISK, disk_id=2, target="vdb", format="raw", path=OPEN_LUN),
            CONTEXT,
        )
    ),
    "block-scsi": changed(
        cpu_mode="EPYC",
        cpu_share=0,
        disks=(DomainDisk(disk_id=0, path="/dev/vg/lv", target="sda", bus="scsi", format="raw", io="native", shareable=True),),
        graphics=DomainGraphics(type="spice", listen="::1", port=5907, password="secret", keymap="de"),
        boot=("network", "hd"),
        emulator="/usr/bin/qemu-system-x86_64",
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_definition_is_what_it_was_and_what_libvirt_takes(name: str) -> None:
    golden = GOLDEN / f"{name}.xml"
    assert domain_xml(SPECS[name]) == golden.read_text()
    done = subprocess.run(["virt-xml-validate", str(golden), "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40)


@given(title=printable, path=printable, command=printable)
def test_whatever_is_written_is_read_back_as_it_was(title: str, path: str, command: str) -> None:
    disk = msgspec.structs.replace(DISK, path="/" + path)
    root = read(domain_xml(changed(title=title, disks=(disk,), kernel="/k", kernel_cmd=command)))
    assert root.findtext("title", "") == " ".join(title.split())
    source = root.find("devices/disk/source")
    assert source is not None
    assert source.get("file", source.get("dev")) == "/" + path
    assert root.findtext("os/cmdline", "") == command
    assert root.findtext("name") == "one-7"


@pytest.mark.parametrize("evil", ["\0", "a\x1bb", "\ud800", "\uffff"])
def test_text_that_xml_cannot_carry_is_refused(evil: str) -> None:
    with pytest.raises(UsageError):
        domain_xml(changed(disks=(msgspec.structs.replace(DISK, path=evil),)))


@pytest.mark.parametrize("given_cpu", ["<cpu>", "<domain/>", '<!DOCTYPE cpu [<!ENTITY a "b">]><cpu>&a;</cpu>'])
def test_a_baseline_that_is_no_cpu_is_refused(given_cpu: str) -> None:
    with pytest.raises(UsageError):
        domain_xml(changed(cpu_xml=given_cpu))


@pytest.mark.parametrize(
    ("more", "mode"),
    [
        ({}, "host-model"),
        ({"virt": "qemu"}, "maximum"),
        ({"cpu_mode": "host-passthrough"}, "host-passthrough"),
        ({"cpu_mode": "EPYC"}, "custom"),
        ({"cpu_mode": "qemu64", "virt": "qemu"}, "custom"),
    ],
)
def test_the_cpu_fits_the_virtualisation_type_unless_asked_for(more: dict[str, object], mode: str) -> None:
    assert cpu(changed(**more)).get("mode") == mode


@pytest.mark.parametrize("share", [1, 100, 12800, 2_000_000])
def test_shares_stay_in_what_control_groups_take(share: int) -> None:
    shares = int(read(domain_xml(changed(cpu_share=share))).findtext("cputune/shares", "0"))
    assert 2 <= shares <= 10_000


@pytest.mark.parametrize(("machine", "bus"), [("q35", "sata"), ("pc-q35-7.2", "sata"), ("pc", "ide"), ("pc-i440fx-7.2", "ide")])
def test_a_cd_is_on_a_bus_that_the_machine_has(machine: str, bus: str) -> None:
    for asked in ("sata", "ide", "virtio"):
        disk = msgspec.structs.replace(CONTEXT, bus=asked)
        target = read(domain_xml(changed(machine=machine, disks=(disk,)))).find("devices/disk/target")
        assert target is not None
        assert target.get("bus") == bus


def test_there_is_room_for_cards_and_disks_to_come() -> None:
    root = read(domain_xml(BASE))
    ports = root.findall("devices/controller[@model='pcie-root-port']")
    assert len(ports) == len(BASE.interfaces) + 1 + FIXED_PORTS + SPARE_PORTS


@pytest.mark.parametrize("more", [{"memory_mib": 0}, {"vcpus": 0}, {"graphics": DomainGraphics(password="longer than 8")}])
def test_what_no_domain_can_have_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        domain_xml(changed(**more))


@given(st.integers(0, 2**40))
def test_the_mark_is_read_back(vm_id: int) -> None:
    assert vm_id_of(ET.tostring(mark(vm_id), encoding="unicode")) == vm_id


def test_a_mark_that_is_not_ours_is_nobody() -> None:
    assert vm_id_of(f'<n:vm xmlns:n="{NAMESPACE}" id="-7"/>') is None
    assert vm_id_of(f'<n:vm xmlns:n="{NAMESPACE}"/>') is None
