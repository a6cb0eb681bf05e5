"""From a VM's row to the domain that a hypervisor makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.engine.context import build_iso, render
from nebula.engine.context import variables as context_variables
from nebula.engine.machines.disks import free_target
from nebula.engine.machines.machine import Machine, Nic, machine_of
from nebula.engine.machines.networks import nic_context
from nebula.engine.store.rows import NetworkRow, VmRow
from nebula.model.domain import DomainDisk, DomainGraphics, DomainInterface, DomainSpec
from nebula.model.network import NetworkSpec


def domain_name(vm_id: int) -> str:
    """The domain's name on a host, as OpenNebula has it."""
    return f"one-{vm_id}"


def tap_name(vm_id: int, nic_id: int) -> str:
    """The name of a card's tap on a host."""
    return f"one-{vm_id}-{nic_id}"


def design(
    vm: VmRow,
    *,
    virt: str,
    baseline: str,
    paths: Mapping[int, str],
    context_path: str,
    networks: Mapping[int, NetworkSpec],
) -> DomainSpec:
    """The domain. `paths`: disk id -> file on the host; `baseline`: the cluster's common CPU, empty for none."""
    machine = machine_of(vm)
    system, model = machine.template.get("OS", {}), machine.template.get("CPU_MODEL", {})
    return DomainSpec(
        vm_id=vm.id,
        uuid=vm.uuid,
        name=domain_name(vm.id),
        title=vm.name,
        memory_mib=vm.memory,
        vcpus=vm.vcpus,
        cpu_share=vm.cpu,
        virt="qemu" if virt == "qemu" else "kvm",
        arch=str(system.get("ARCH", "x86_64")),
        machine=str(system.get("MACHINE", "q35")),
        cpu_mode=str(model.get("MODEL", "")),
        cpu_xml="" if model.get("MODEL") or virt == "qemu" else baseline,
        disks=_disks(machine, paths, context_path),
        interfaces=tuple(_interface(nic, networks[nic.network_id]) for nic in machine.nics),
        graphics=_graphics(machine.template.get("GRAPHICS")),
        firmware="uefi" if str(system.get("FIRMWARE", "")).upper() == "UEFI" else "bios",
        guest_agent=str(machine.template.get("FEATURES", {}).get("GUEST_AGENT", "YES")).upper() != "NO",
    )


def context_iso(vm: VmRow, networks: Mapping[int, NetworkRow]) -> bytes:
    """The VM's context CD."""
    machine = machine_of(vm)
    nics = [nic_context(nic, networks[nic.network_id]) for nic in machine.nics]
    values = context_variables(vm.name, machine.context, nics, ())
    return build_iso({"context.sh": render(values)}, made=vm.created)


def _disks(machine: Machine, paths: Mapping[int, str], context_path: str) -> tuple[DomainDisk, ...]:
    order = _boot_order(machine)
    disks = [
        DomainDisk(
            disk_id=disk.disk_id,
            path=paths[disk.disk_id],
            target=disk.target,
            bus=disk.bus,
            format="raw" if disk.kind == "cdrom" else "qcow2" if disk.format == "qcow2" else "raw",
            device="cdrom" if disk.kind == "cdrom" else "disk",
            readonly=disk.readonly,
            cache=disk.cache,
            discard=disk.discard,
            io=disk.io,
            serial=disk.serial,
            boot_order=order.get(f"disk{disk.disk_id}", 0),
        )
        for disk in machine.disks
    ]
    if context_path:
        number = max((disk.disk_id for disk in machine.disks), default=-1) + 1
        target = free_target("sd", {disk.target for disk in machine.disks})
        disks.append(
            DomainDisk(
                disk_id=number, path=context_path, target=target, bus="sata", format="raw", device="cdrom", readonly=True
            )
        )
    return tuple(disks)


def _boot_order(machine: Machine) -> dict[str, int]:
    asked = str(machine.template.get("OS", {}).get("BOOT", ""))
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if not names:
        names = [f"disk{disk.disk_id}" for disk in machine.disks][:1]
    return {name: number for number, name in enumerate(names, 1)}


def _interface(nic: Nic, network: NetworkSpec) -> DomainInterface:
    return DomainInterface(nic_id=nic.nic_id, mac=nic.mac, bridge=network.bridge, tap=nic.tap, model=nic.model, mtu=network.mtu)


def _graphics(given: Mapping[str, Any] | None) -> DomainGraphics:
    given = given or {}
    kind = str(given.get("TYPE", "VNC")).upper()
    return DomainGraphics(
        type="spice" if kind == "SPICE" else "vnc",
        listen=str(given.get("LISTEN", "127.0.0.1")),
        port=int(str(given.get("PORT", -1))),
        password=str(given.get("PASSWD", "")),
        keymap=str(given.get("KEYMAP", "")),
    )
