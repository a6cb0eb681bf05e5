"""What is booted and on what: machine, firmware, CPU model, features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from nebula.engine.machines.hardware.group import Group, one
from nebula.model.domain import DomainFeatures, DomainFirmware

_FILES = {"KERNEL_DS": "kernel", "INITRD_DS": "ramdisk"}


class System(msgspec.Struct, frozen=True, kw_only=True):
    """See the fields of the same names of DomainSpec."""

    arch: str
    machine: str
    uefi: DomainFirmware | None
    kernel: str
    initrd: str
    kernel_cmd: str
    cpu_mode: str
    cpu_features: tuple[str, ...]
    features: DomainFeatures
    guest_agent: bool
    memory_encryption: Literal["", "sev", "sev-es"]
    emulator: str
    emulator_cpus: str
    raw_xml: str
    raw_validate: bool


def system(template: Mapping[str, Any]) -> System:
    """UsageError for what does not fit together."""
    asked, features, whole = one(template, "OS"), one(template, "FEATURES"), one(template, "")
    model, raw = one(template, "CPU_MODEL"), one(template, "RAW")
    _check_kernel(asked)
    foreign = raw.word("TYPE", "kvm") not in {"kvm", "qemu"}
    return System(
        arch=asked.word("ARCH", "x86_64"),
        machine=asked.word("MACHINE", "q35"),
        uefi=_firmware(template),
        kernel=asked.word("KERNEL"),
        initrd=asked.word("INITRD"),
        kernel_cmd=" ".join(word for word in (_root(asked.word("ROOT")), asked.word("KERNEL_CMD")) if word),
        cpu_mode=model.word("MODEL"),
        cpu_features=tuple(name.strip().removeprefix("+") for name in model.word("FEATURES").split(",") if name.strip()),
        features=DomainFeatures(
            acpi=features.flag("ACPI", default=True),
            apic=features.flag("APIC", default=True),
            pae=features.flag("PAE"),
            hyperv=features.flag("HYPERV"),
            hyperv_xml=whole.word("HYPERV_OPTIONS"),
            timers_xml=whole.word("HYPERV_TIMERS"),
            local_time=features.flag("LOCALTIME"),
            pci_hole_kib=features.number("PCIHOLE64"),
        ),
        guest_agent=features.flag("GUEST_AGENT", default=True),
        memory_encryption=_encryption(template),
        emulator=whole.word("EMULATOR"),
        emulator_cpus=whole.word("EMULATOR_CPUS"),
        raw_xml="" if foreign else raw.word("DATA"),
        raw_validate=raw.flag("VALIDATE"),
    )


def _encryption(template: Mapping[str, Any]) -> Literal["", "sev", "sev-es"]:
    kind = one(template, "MEMORY_ENCRYPTION").word("TYPE")
    return "sev-es" if kind == "sev-es" else "sev" if kind else ""


def _root(name: str) -> str:
    return f"root={name if name.startswith(('/', 'UUID=', 'LABEL=')) else '/dev/' + name}" if name else ""


def _firmware(template: Mapping[str, Any]) -> DomainFirmware | None:
    asked = one(template, "OS")
    given, secure = asked.word("FIRMWARE"), asked.flag("FIRMWARE_SECURE")
    loader = given if given.startswith("/") else ""
    uefi = given == "UEFI" or bool(loader)
    if secure and not uefi:
        raise asked.refuse("FIRMWARE_SECURE", "secure boot is UEFI's", "FIRMWARE: UEFI")
    if secure and "q35" not in asked.word("MACHINE", "q35"):
        raise asked.refuse("FIRMWARE_SECURE", "secure boot needs a q35 machine", "MACHINE: q35")
    if one(template, "MEMORY_ENCRYPTION").given("TYPE") and not uefi:
        raise asked.refuse("FIRMWARE", "memory is encrypted with UEFI only", "FIRMWARE: UEFI")
    return DomainFirmware(secure_boot=secure, loader=loader) if uefi else None


def boot_files(template: Mapping[str, Any]) -> dict[str, str]:
    """What is booted out of datastores: the image's name or id, by the type that it must be of (kernel, ramdisk)."""
    asked = one(template, "OS")
    return {kind: asked.word(name) for name, kind in _FILES.items() if asked.given(name)}


def _check_kernel(asked: Group) -> None:
    for name in ("KERNEL", "INITRD"):
        if asked.given(name) and asked.given(f"{name}_DS"):
            raise asked.refuse(f"{name}_DS", f"{name} names another one", f"leave one of {name} and {name}_DS out")
    if asked.given("KERNEL") or asked.given("KERNEL_DS"):
        return
    for name in ("INITRD", "INITRD_DS", "KERNEL_CMD", "ROOT"):
        if asked.given(name):
            raise asked.refuse(name, "it is for a KERNEL, and there is none", "KERNEL: /path/on/the/host, or KERNEL_DS: IMAGE")


def boot_order(template: Mapping[str, Any], disks: Collection[int], nics: Collection[int]) -> tuple[str, ...]:
    """disk0, nic0 …, in order; the first disk where nothing was said. `disks` and `nics`: the numbers of those there are."""
    asked = one(template, "OS")
    names = [name.strip() for name in asked.word("BOOT").split(",") if name.strip()]
    there = {*(f"disk{number}" for number in disks), *(f"nic{number}" for number in nics)}
    for name in names:
        if name not in there:
            raise asked.refuse("BOOT", f"the VM has no {name}: {len(disks)} disks, {len(nics)} cards", "BOOT: disk0")
    if len(set(names)) < len(names):
        raise asked.refuse("BOOT", "something is named twice", "BOOT: disk0,nic0")
    return tuple(names) or tuple(f"disk{number}" for number in sorted(disks)[:1])
