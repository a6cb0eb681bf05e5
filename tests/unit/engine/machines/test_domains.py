"""From a template as people write it to libvirt's definition: a golden file a subject, each taken by libvirt's own schema.

`python -m tests.unit.engine.machines.test_domains` writes the files anew.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from nebula.drivers.hypervisor.libvirt.design import domain_xml
from nebula.engine.machines import aliases, cards, passthrough
from nebula.engine.machines.disks import plan
from nebula.engine.machines.domain import design, tap_name
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.hardware.declared import BLOCKS
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.hardware.kinds import anything
from nebula.engine.machines.held import Held, HeldNode
from nebula.engine.machines.machine import Machine, Nic, body_of
from nebula.engine.machines.template import mebibytes, regular, whole
from nebula.engine.store.rows import ImageRow, LeaseRow, NetworkRow, VmRow
from nebula.model.network import NetworkSpec

GOLDEN = Path(__file__).parent / "golden"
IMAGE = ImageRow(id=1, name="base", uuid="u1", datastore_id=1, type="os", format="qcow2", size=8 << 20, state=1)
CD = ImageRow(id=2, name="cd", uuid="u2", datastore_id=1, type="cdrom", format="raw", size=8 << 20, state=1)
LAN = NetworkSpec(network_id=0, name="lan", driver="bridge", bridge="br0", mtu=1450)
TAGGED = NetworkSpec(network_id=1, name="tagged", driver="vlan", bridge="onebr.42", vlan_id=42)
ROOT = "/var/lib/nebula/datastores/1/vms/7"

TEMPLATES: dict[str, dict[str, Any]] = {
    "disks": {
        "FEATURES": {"IOTHREADS": 2, "VIRTIO_BLK_QUEUES": 4, "VIRTIO_SCSI_QUEUES": "auto"},
        "VCPU": 2,
        "DISK": [
            {"IMAGE": "base", "CACHE": "writeback", "IO": "threads", "DISCARD": "ignore", "SERIAL": "root-1"},
            {"SIZE": 10, "DRIVER": "raw", "CACHE": "none", "IO": "native", "IOTHREAD": 1, "VIRTIO_BLK_QUEUES": "auto"},
            {"SIZE": 10, "DEV_PREFIX": "sd", "FORMAT": "raw", "SHAREABLE": "YES", "READONLY": "YES"},
            {"SIZE": 10, "TARGET": "hda"},
            {"IMAGE": "cd"},
            {
                "SIZE": 10, "TOTAL_BYTES_SEC": 1000, "TOTAL_BYTES_SEC_MAX": 2000, "TOTAL_BYTES_SEC_MAX_LENGTH": 5,
                "READ_IOPS_SEC": 100, "READ_IOPS_SEC_MAX": 200, "READ_IOPS_SEC_MAX_LENGTH": 5,
                "WRITE_IOPS_SEC": 100, "WRITE_IOPS_SEC_MAX": 200, "WRITE_IOPS_SEC_MAX_LENGTH": 5, "SIZE_IOPS_SEC": 4096,
            },
            {
                "SIZE": 10, "READ_BYTES_SEC": 1000, "READ_BYTES_SEC_MAX": 2000, "READ_BYTES_SEC_MAX_LENGTH": 5,
                "WRITE_BYTES_SEC": 1000, "WRITE_BYTES_SEC_MAX": 2000, "WRITE_BYTES_SEC_MAX_LENGTH": 5,
                "TOTAL_IOPS_SEC": 100, "TOTAL_IOPS_SEC_MAX": 200, "TOTAL_IOPS_SEC_MAX_LENGTH": 5,
            },
        ],
    },
    "cards": {
        "OS": {"BOOT": "nic1, disk0"},
        "DISK": [{"IMAGE": "base"}],
        "NIC_DEFAULT": {"MODEL": "virtio"},
        "NIC": [
            {"VIRTIO_QUEUES": "auto", "GUEST_MTU": 9000, "FILTER": "clean-traffic", "INBOUND_AVG_BW": 1000,
             "METRIC": 5, "IP6_METRIC": 6, "METHOD": "static", "IP6_METHOD": "auto",
             "INBOUND_PEAK_BW": 2000, "INBOUND_PEAK_KB": 512, "OUTBOUND_AVG_BW": 500, "OUTBOUND_PEAK_BW": 600,
             "OUTBOUND_PEAK_KB": 64},
            {"MODEL": "e1000e", "NAME": "back", "EXTERNAL": "NO"},
        ],
        "NIC_ALIAS": [
            {"PARENT": "back", "NAME": "web", "EXTERNAL": "YES", "METRIC": 7, "IP6_METRIC": 8, "METHOD": "static",
             "IP6_METHOD": "static"},
        ],
        "VCPU": 3,
    },
    "console-vnc": {
        "GRAPHICS": {"TYPE": "vnc", "LISTEN": "192.0.2.1", "PORT": "5930", "PASSWD": "12345678", "KEYMAP": "de"},
        "VIDEO": {"TYPE": "virtio", "VRAM": 16384, "RESOLUTION": "1280x720", "IOMMU": "YES", "ATS": "NO"},
        "INPUT": [{"TYPE": "mouse", "BUS": "ps2"}, {"TYPE": "keyboard", "BUS": "virtio"}],
        "SOUND": {"MODEL": "ich9"},
    },
    "console-spice": {
        "GRAPHICS": {"TYPE": "SPICE", "RANDOM_PASSWD": "NO"},
        "VIDEO": {"TYPE": "qxl"},
        "INPUT": {"TYPE": "tablet", "BUS": "virtio"},
        "SPICE_OPTIONS": "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>",
    },
    "no-console": {"GRAPHICS": {"TYPE": "none"}, "SOUND": {"MODEL": "usb"}},
    "kernel": {
        "OS": {
            "ARCH": "x86_64", "MACHINE": "pc", "KERNEL": "/boot/vmlinuz", "INITRD": "/boot/initrd.img", "ROOT": "vda1",
            "KERNEL_CMD": "console=ttyS0 quiet", "UUID": "5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07",
        },
        "EMULATOR": "/usr/bin/qemu-system-x86_64",
    },
    "kernel-ds": {"OS": {"KERNEL_DS": '$FILE[IMAGE="vmlinuz"]', "INITRD_DS": "$FILE[IMAGE_ID=4]", "KERNEL_CMD": "quiet"}},
    "uefi": {"OS": {"FIRMWARE": "uefi", "SD_DISK_BUS": "sata"}, "DISK": [{"IMAGE": "base", "DEV_PREFIX": "sd"}]},
    "uefi-secure": {"OS": {"FIRMWARE": "UEFI", "FIRMWARE_SECURE": "YES"}, "TPM": {"MODEL": "tpm-tis"}},
    "uefi-loader": {
        "OS": {"FIRMWARE": "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "FIRMWARE_SECURE": "YES", "FIRMWARE_FORMAT": "raw"},
        "TPM": {"MODEL": "tpm-crb"},
    },
    "windows": {
        "FEATURES": {"HYPERV": "YES", "LOCALTIME": "YES",
                     "MIGRATE_AUTO_CONVERGE": "20,10", "MIGRATE_COMPRESSED": "YES",
                     "PAE": "YES", "ACPI": "YES", "APIC": "YES", "GUEST_AGENT": "NO"},
    },
    "windows-own": {
        "FEATURES": {"HYPERV": "YES", "PCIHOLE64": 1 << 25},
        "HYPERV_OPTIONS": "<relaxed state='on'/><vapic state='on'/>",
        "HYPERV_TIMERS": "<timer name='hypervclock' present='yes'/>",
    },
    "bare": {"FEATURES": {"ACPI": "NO", "APIC": "NO"}},
    "cpu-model": {
        "CPU_MODEL": {"MODEL": "EPYC", "FEATURES": "+aes, -svm"}, "VCPU": 8,
        "TOPOLOGY": {"SOCKETS": 2, "CORES": 2, "THREADS": 2},
    },
    "growing": {"VCPU": 2, "VCPU_MAX": 8, "MEMORY_MAX": "4G", "MEMORY_SLOTS": 8, "MEMORY_RESIZE_MODE": "HOTPLUG"},
    "balloon": {"MEMORY_MAX": "4G", "MEMORY_RESIZE_MODE": "BALLOONING", "MEMORY_TUNE_OFFSET": 256},
    "pinned": {
        "VCPU": 4,
        "TOPOLOGY": {"PIN_POLICY": "CORE", "SOCKETS": 2, "HUGEPAGE_SIZE": 2, "MEMORY_ACCESS": "shared"},
        "EMULATOR_CPUS": "0,32",
        "PCI": [{"VENDOR": "10de", "DEVICE": "0x1db6", "CLASS": "0302"}, {"SHORT_ADDRESS": "3b:00.0"}],
    },
    "functions": {
        "NIC": [{"NETWORK": "lan"}],
        "PCI": [
            {
                "VENDOR": "8086", "DEVICE": "154c", "TYPE": "NIC", "NETWORK": "tagged", "NAME": "fast", "METRIC": 7,
                "METHOD": "static",
            },
            {"VENDOR": "10de"},
            {
                "SHORT_ADDRESS": "3b:10.2", "TYPE": "nic", "NETWORK_ID": 0, "MAC": "02:00:00:00:00:42", "IP6_METRIC": 8,
                "IP6_METHOD": "auto",
            },
        ],
    },
    "node": {"TOPOLOGY": {"NODE_AFFINITY": 1}},
    "numa": {"VCPU": 3, "NUMA_NODE": [{"TOTAL_CPUS": 2, "MEMORY": "768M"}, {"TOTAL_CPUS": 1, "MEMORY": 256}]},
    "devices": {
        "RNG": {"SOURCE": "/dev/hwrng", "RATE_BYTES": 1024, "RATE_PERIOD": 1000},
        "WATCHDOG": {"MODEL": "ib700", "ACTION": "poweroff"},
        "OS": {"MACHINE": "pc"},
        "BACKUP_CONFIG": {"FS_FREEZE": "AGENT", "KEEP_LAST": 3, "BACKUP_VOLATILE": "YES", "MODE": "FULL"}
        | {"INCREMENT_MODE": "CBT", "DISK_IDS": "0"},
    },
    "encrypted": {"OS": {"FIRMWARE": "UEFI"}, "MEMORY_ENCRYPTION": {"TYPE": "SEV-ES"}},
    "raw": {
        "RAW": {
            "TYPE": "kvm",
            "VALIDATE": "YES",
            "DATA": "<devices><sound model='ac97'/></devices><on_crash>preserve</on_crash><cpu mode='host-passthrough'/>"
            "<qemu:commandline><qemu:arg value='-no-hpet'/></qemu:commandline>",
        }
    },
    "raw-in-the-place-of-what-is-refused": {
        "TOPOLOGY": {"MEMORY_ACCESS": "shared"},
        "RAW": {
            "DATA": "<devices><filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>"
            "<source dir='/srv/data'/><target dir='data'/></filesystem>"
            "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
            "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev></devices>"
        },
    },
    "raw-of-others": {"RAW": {"TYPE": "lxc", "DATA": "<idmap/>"}},
}  # fmt: skip
HELD = {
    "pinned": Held(
        pci=("0000:3c:00.0", "0000:3b:00.0"),
        nodes=(
            HeldNode(node=0, memory_node=0, memory_mib=512, page_mib=2, pins=("2,34", "3,35"), cpus=(2, 34, 3, 35)),
            HeldNode(node=1, memory_node=1, memory_mib=512, page_mib=2, pins=("18,50", "19,51"), cpus=(18, 50, 19, 51)),
        ),
    ),
    "functions": Held(pci=("0000:3b:10.0", "0000:3c:00.0", "0000:3b:10.2")),
    "node": Held(nodes=(HeldNode(node=1, memory_node=1, memory_mib=1024, pins=("16-31,48-63",)),)),
}
"""What the scheduler gave them."""
IMAGES = "/var/lib/nebula/datastores/2/images"
BOOTED = {"kernel-ds": {"kernel": f"{IMAGES}/u3.raw", "ramdisk": f"{IMAGES}/u4.raw"}}
"""What came out of datastores."""


def made(name: str) -> str:
    """The definition of the template, as a VM of that would get it."""
    template = regular({"MEMORY": 1024, "DISK": [], "NIC": [], **TEMPLATES[name]})
    vcpus, memory = whole(template, "VCPU", 1, 1, 4096), mebibytes(template, "MEMORY", 512)
    check_hardware(template, vcpus=vcpus, memory=memory, disks=range(len(template["DISK"])), nics=range(len(template["NIC"])))
    images = {"base": IMAGE, "cd": CD}
    disks, _ = plan(template["DISK"], images.__getitem__, lambda: 1, one(template, "OS").word("SD_DISK_BUS"))
    defaults = template.get("NIC_DEFAULT", {})
    nics = [
        Nic(
            nic_id=number, network_id=0, network="lan", mac=f"02:00:00:00:00:0{number}", tap=tap_name(7, number),
            **cards.settings_of(number, {**defaults, **item}, {}),
        )
        for number, item in enumerate(template["NIC"])
    ]  # fmt: skip
    for number, item in enumerate(template.get("NIC_ALIAS", ()), len(nics)):
        parent = aliases.parent_of(nics, item)
        lease = LeaseRow(network_id=0, range_id=0, position=0, vm_id=7, mac="02:00:00:00:00:99", ip="10.0.0.99")
        parent.aliases.append(aliases.made(number, parent, item, lease, NetworkRow(name="lan", driver="bridge", bridge="br0")))
    functions = []
    for nic_id, (pci, item) in enumerate(passthrough.asked_for(template), len(nics)):
        row = NetworkRow(id=0 if "NETWORK_ID" in item else 1, name="", driver="bridge", bridge="")
        lease = LeaseRow(network_id=row.id, range_id=0, position=0, vm_id=7, mac=item.get("MAC", "02:00:00:00:00:41"))
        functions.append(passthrough.made(nic_id, pci, item, lease, row))
    machine = Machine(template=template, disks=disks, nics=nics, passthrough=functions)
    vm = VmRow(
        id=7, name="web", uuid="5a1cd1a5-3f0e-4b5c-9a39-6a2f6a0c1e07", owner="", state=3, memory=memory, vcpus=vcpus,
        cpu=100 * vcpus, body=body_of(machine),
    )  # fmt: skip
    paths = {disk.disk_id: f"{ROOT}/disk.{disk.disk_id}" for disk in disks}
    spec = design(
        vm, virt="kvm", baseline="", paths=paths, context_path=f"{ROOT}/context.iso",
        networks={0: LAN, 1: TAGGED}, held=HELD.get(name), booted_files=BOOTED.get(name),
    )  # fmt: skip
    return domain_xml(spec)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_makes_the_definition_that_it_made_and_libvirt_takes_it(name: str) -> None:
    golden = GOLDEN / f"{name}.xml"
    assert made(name) == golden.read_text()
    done = subprocess.run(["virt-xml-validate", str(golden), "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_attribute_that_does_something_is_in_a_template_here() -> None:
    shown = {(block, name) for template in TEMPLATES.values() for block, name in _named(template)}
    shown |= {("NIC_DEFAULT", name) for block, name in shown if block == "NIC"}
    reads = {
        (block, attribute.name)
        for block, attributes in BLOCKS.items()
        for attribute in attributes
        if attribute.status == "done" and attribute.kind is not anything
    }
    assert reads - shown == set()


def _named(template: dict[str, Any]) -> list[tuple[str, str]]:
    groups = [
        (block, item)
        for block, value in template.items()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict)
    ]
    return [*(("", name) for name in template), *((block, name) for block, item in groups for name in item)]


if __name__ == "__main__":
    for subject in TEMPLATES:
        (GOLDEN / f"{subject}.xml").write_text(made(subject))
