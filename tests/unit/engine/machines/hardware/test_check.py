"""A template that makes no sense is refused when the VM is created, in one sentence; any other makes a domain."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.drivers.hypervisor.libvirt.design import domain_xml
from nebula.engine.machines import cards
from nebula.engine.machines.disks import plan
from nebula.engine.machines.domain import design
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.hardware.declared import BLOCKS, THROTTLES
from nebula.engine.machines.hardware.host_devices import pci_wishes
from nebula.engine.machines.machine import Machine, body_of
from nebula.engine.machines.migration import manner
from nebula.engine.machines.template import regular
from nebula.engine.store.rows import VmRow
from nebula.errors import UsageError


def check(template: dict[str, Any], vcpus: int = 2, memory: int = 1024) -> None:
    check_hardware(regular(template), vcpus=vcpus, memory=memory, disks=[0], nics=[0])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"GRAPHICS": {"TYPE": "sdl"}}, "GRAPHICS/TYPE must be one of vnc, spice, none"),
    ({"GRAPHICS": {"PORT": 70000}}, "GRAPHICS/PORT must be a whole number"),
    ({"GRAPHICS": {"LISTEN": "everywhere"}}, "GRAPHICS/LISTEN must be an IP address"),
    ({"GRAPHICS": {"PASSWD": "longer than 8"}}, "GRAPHICS/PASSWD does not fit"),
    ({"GRAPHICS": {"KEYMAP": "de;rm"}}, "GRAPHICS/KEYMAP must be"),
    ({"VIDEO": {"TYPE": "vmvga"}}, "VIDEO/TYPE must be"),
    ({"VIDEO": {"TYPE": "cirrus", "RESOLUTION": "800x600"}}, "VIDEO/RESOLUTION does not fit"),
    ({"VIDEO": {"TYPE": "vga", "IOMMU": "YES"}}, "VIDEO/IOMMU does not fit"),
    ({"INPUT": {"TYPE": "tablet", "BUS": "ps2"}}, "INPUT 0/BUS does not fit"),
    ({"INPUT": [{"TYPE": "mouse"}] * 17}, "INPUT 0/TYPE does not fit"),
    ({"SOUND": {"MODEL": "loud"}}, "SOUND/MODEL must be"),
    ({"TPM": {"MODEL": "tpm-spapr"}}, "TPM/MODEL must be"),
    ({"WATCHDOG": {"ACTION": "bark"}}, "WATCHDOG/ACTION must be"),
    ({"RNG": {"SOURCE": "urandom"}}, "RNG/SOURCE must be an absolute path"),
    ({"RNG": {"SOURCE": "/dev/../etc/shadow"}}, "RNG/SOURCE must be an absolute path"),
    ({"OS": {"ARCH": "m68k"}}, "OS/ARCH must be"),
    ({"OS": {"MACHINE": "q35 -device evil"}}, "OS/MACHINE must be one word"),
    ({"OS": {"INITRD": "/boot/initrd"}}, "OS/INITRD does not fit"),
    ({"OS": {"INITRD_DS": "$FILE[IMAGE=x]"}}, "OS/INITRD_DS does not fit"),
    ({"OS": {"KERNEL_DS": "$FILE[NAME=x]"}}, "OS/KERNEL_DS cannot be understood"),
    ({"OS": {"KERNEL_DS": "one, two"}}, "OS/KERNEL_DS must be one image"),
    ({"OS": {"KERNEL": "/boot/vmlinuz", "KERNEL_DS": "x"}}, "OS/KERNEL_DS does not fit"),
    ({"OS": {"BOOT": "cdrom"}}, "OS/BOOT must be disks and cards"),
    ({"OS": {"BOOT": "disk0,disk9"}}, "OS/BOOT does not fit"),
    ({"OS": {"BOOT": "disk0,disk0"}}, "OS/BOOT does not fit"),
    ({"OS": {"UUID": "7"}}, "OS/UUID must be a UUID"),
    ({"OS": {"FIRMWARE": "coreboot"}}, "OS/FIRMWARE must be an absolute path"),
    ({"OS": {"FIRMWARE_SECURE": "YES"}}, "OS/FIRMWARE_SECURE does not fit"),
    ({"OS": {"FIRMWARE": "UEFI", "FIRMWARE_SECURE": "YES", "MACHINE": "pc"}}, "OS/FIRMWARE_SECURE does not fit"),
    ({"FEATURES": {"ACPI": "perhaps"}}, "FEATURES/ACPI must be YES or NO"),
    ({"FEATURES": {"IOTHREADS": 0}}, "FEATURES/IOTHREADS must be"),
    ({"FEATURES": {"GIC": 3}}, "FEATURES/GIC is not supported"),
    ({"CPU_MODEL": {"FEATURES": "aes;svm"}}, "CPU_MODEL/FEATURES must be"),
    ({"MEMORY_ENCRYPTION": {"TYPE": "TDX"}}, "MEMORY_ENCRYPTION/TYPE must be"),
    ({"MEMORY_ENCRYPTION": {"TYPE": "SEV"}}, "OS/FIRMWARE does not fit"),
    ({"VCPU_MAX": 1}, "VCPU_MAX does not fit"),
    ({"MEMORY_MAX": "512M"}, "MEMORY_MAX does not fit"),
    ({"MEMORY_RESIZE_MODE": "magic"}, "MEMORY_RESIZE_MODE must be"),
    ({"TOPOLOGY": {"SOCKETS": 3}}, "TOPOLOGY/SOCKETS does not fit"),
    ({"TOPOLOGY": {"CORES": 4}}, "TOPOLOGY/CORES does not fit"),
    ({"TOPOLOGY": {"PIN_POLICY": "CORE", "NODE_AFFINITY": 0}}, "TOPOLOGY/NODE_AFFINITY does not fit"),
    ({"TOPOLOGY": {"PIN_POLICY": "CORE"}, "VCPU_MAX": 4}, "TOPOLOGY/PIN_POLICY does not fit"),
    ({"TOPOLOGY": {"HUGEPAGE_SIZE": "1G"}, "MEMORY": 1025}, "TOPOLOGY/HUGEPAGE_SIZE does not fit"),
    ({"NUMA_NODE": [{"TOTAL_CPUS": 1, "MEMORY": 1024}]}, "NUMA_NODE 0/TOTAL_CPUS does not fit"),
    ({"NUMA_NODE": [{"TOTAL_CPUS": 2}]}, "NUMA_NODE 0/TOTAL_CPUS does not fit"),
    ({"PCI": {"VENDOR": "nvidia"}}, "PCI 0/VENDOR must be four hexadecimal digits"),
    ({"PCI": {"SHORT_ADDRESS": "slot 3"}}, "PCI 0/SHORT_ADDRESS must be a PCI address"),
    ({"PCI": [{"SHORT_ADDRESS": "3b:00.0"}, {"SHORT_ADDRESS": "0000:3b:00.0"}]}, "PCI 0/SHORT_ADDRESS does not fit"),
    ({"PCI": {"X": 1}}, "PCI 0/VENDOR does not fit"),
    ({"PCI": {"PROFILE": "nvidia-63"}}, "PCI 0/PROFILE is not supported"),
    ({"PCI": {"VENDOR": "8086", "TYPE": "NIC"}}, "PCI 0/TYPE does not fit"),
    ({"PCI": {"VENDOR": "8086", "NETWORK": "lan"}}, "PCI 0/NETWORK does not fit"),
    ({"PCI": {"TYPE": "NIC", "NETWORK": "lan"}}, "PCI 0/VENDOR does not fit"),
    ({"PCI": {"VENDOR": "8086", "TYPE": "NIC", "NETWORK": "lan", "TRUST": "YES"}}, "PCI 0/TRUST is not supported"),
    ({"RAW": {"DATA": "<devices>"}}, "RAW/DATA is not XML"),
    ({"RAW": {"DATA": "<!DOCTYPE x><devices/>"}}, "RAW/DATA may hold elements only"),
    ({"RAW": {"DATA": "<memory>1</memory>"}}, "RAW/DATA may not hold <memory>"),
    ({"EMULATOR_CPUS": "all"}, "EMULATOR_CPUS must be numbers of CPUs"),
    ({"EMULATOR": "qemu"}, "EMULATOR must be an absolute path"),
]


@pytest.mark.parametrize(("template", "words"), WRONG)
def test_what_makes_no_sense_is_refused(template: dict[str, Any], words: str) -> None:
    memory = int(template.get("MEMORY", 1024))
    with pytest.raises(UsageError) as caught:
        check(template, memory=memory)
    assert caught.value.message.startswith(words)
    assert caught.value.cause
    assert caught.value.hint


WRONG_DISKS: list[tuple[dict[str, Any], str]] = [
    ({"CACHE": "fast"}, "DISK 0/CACHE must be"),
    ({"IO": "native", "CACHE": "writeback"}, "DISK 0/IO does not fit"),
    ({"DISCARD": "maybe"}, "DISK 0/DISCARD must be"),
    ({"SHAREABLE": "YES", "FORMAT": "qcow2"}, "DISK 0/SHAREABLE does not fit"),
    ({"SERIAL": "x" * 30}, "DISK 0/SERIAL must be"),
    ({"DEV_PREFIX": "xvd"}, "DISK 0/DEV_PREFIX must be"),
    ({"LUKS_SECRET": "1"}, "DISK 0/LUKS_SECRET is not supported"),
    ({"TOTAL_IOPS_SEC": "many"}, "DISK 0/TOTAL_IOPS_SEC must be"),
    ({"TOTAL_IOPS_SEC": 100, "READ_IOPS_SEC": 10}, "DISK 0/READ_IOPS_SEC does not fit"),
    ({"TOTAL_IOPS_SEC": 100, "TOTAL_IOPS_SEC_MAX": 10}, "DISK 0/TOTAL_IOPS_SEC_MAX does not fit"),
    ({"READ_BYTES_SEC_MAX_LENGTH": 10}, "DISK 0/READ_BYTES_SEC_MAX_LENGTH does not fit"),
]


@pytest.mark.parametrize(("disk", "words"), WRONG_DISKS)
def test_disks_that_make_no_sense_are_refused(disk: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan([{"SIZE": 10, **disk}], lambda _: pytest.fail("no image"), lambda: 1)
    assert caught.value.message.startswith(words)


WRONG_CARDS: list[tuple[dict[str, Any], str]] = [
    ({"MODEL": "token-ring"}, "NIC 0/MODEL must be"),
    ({"MODEL": "e1000", "VIRTIO_QUEUES": 4}, "NIC 0/VIRTIO_QUEUES does not fit"),
    ({"INBOUND_PEAK_BW": 10}, "NIC 0/INBOUND_PEAK_BW does not fit"),
    ({"FILTER": "a b"}, "NIC 0/FILTER must be"),
    ({"SCRIPT": "/x"}, "NIC 0/SCRIPT is not supported"),
]


@pytest.mark.parametrize(("card", "words"), WRONG_CARDS)
def test_cards_that_make_no_sense_are_refused(card: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        cards.settings_of(0, card, {})
    assert caught.value.message.startswith(words)


def test_a_card_has_its_networks_limits_unless_it_has_its_own() -> None:
    network = {"INBOUND_AVG_BW": "100", "OUTBOUND_AVG_BW": "200", "COLOUR": "red"}
    assert cards.settings_of(0, {"OUTBOUND_AVG_BW": 50}, network)["inbound"] == (100, 0, 0)
    assert cards.settings_of(0, {"OUTBOUND_AVG_BW": 50}, network)["outbound"] == (50, 0, 0)


def test_devices_are_asked_for_by_what_they_are_or_where_they_are() -> None:
    wishes = pci_wishes(regular({"PCI": [{"VENDOR": "0x10DE", "CLASS": "0302"}, {"SHORT_ADDRESS": "3B:00.0"}]}))
    assert [str(wish) for wish in wishes] == ["10de:*:0302", "0000:3b:00.0"]


def test_attributes_that_nobody_knows_are_left_alone() -> None:
    template = regular({"COLOUR": "red", "OS": {"COLOUR": "red"}, "CPU_COST": "perhaps"})
    check(template)
    assert (template["COLOUR"], template["OS"], template["CPU_COST"]) == ("red", {"COLOUR": "red"}, "perhaps")


def test_a_vm_says_how_it_migrates() -> None:
    assert manner({}) == ((0, 0), False)
    assert manner({"FEATURES": {"MIGRATE_AUTO_CONVERGE": "20, 10", "MIGRATE_COMPRESSED": "xbzrle"}}) == ((20, 10), True)
    with pytest.raises(UsageError):
        check({"FEATURES": {"MIGRATE_AUTO_CONVERGE": "always"}})


words = st.sampled_from(
    [
        "YES",
        "NO",
        "auto",
        "UEFI",
        "q35",
        "pc",
        "CORE",
        "SHARED",
        "qxl",
        "virtio",
        "spice",
        "none",
        "1",
        "2",
        "4",
        "1G",
        "/x",
        "disk0",
    ]
) | st.text(max_size=8)
groups = st.fixed_dictionaries(
    {},
    optional={
        block: st.dictionaries(st.sampled_from([item.name for item in attributes]), words | st.integers(-1, 2048), max_size=4)
        for block, attributes in BLOCKS.items()
        if block not in {"", "DISK", "NIC", "NIC_DEFAULT", "NUMA_NODE", "PCI"}
    },
)
own = st.dictionaries(st.sampled_from([item.name for item in BLOCKS[""]]), words | st.integers(-1, 4096), max_size=3)


@settings(max_examples=300, deadline=None)
@given(groups, own, st.integers(1, 8), st.integers(1, 4096))
def test_what_passes_the_check_makes_a_definition(
    given_groups: dict[str, Any], template: dict[str, Any], vcpus: int, memory: int
) -> None:
    with suppress(UsageError):
        made = regular({**template, **given_groups})
        check_hardware(made, vcpus=vcpus, memory=memory, disks=[], nics=[])
        vm = VmRow(
            id=7, name="x", uuid="u", owner="", state=3, memory=memory, vcpus=vcpus, cpu=1, body=body_of(Machine(template=made))
        )
        spec = design(vm, virt="kvm", baseline="", paths={}, context_path="", networks={})
        try:
            assert domain_xml(spec).startswith("<domain")
        except UsageError as error:  # what was checked may not fail at the start
            raise AssertionError(error.message) from error


def test_all_throttles_are_known() -> None:
    assert len(set(THROTTLES)) == 18
