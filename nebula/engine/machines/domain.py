"""From a VM's row to the domain that a hypervisor makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import dirname
from typing import Any

import msgspec

from nebula.engine.context import GateContext, build_iso, render, token_file
from nebula.engine.context import variables as context_variables
from nebula.engine.machines.disks import Disk, free_target
from nebula.engine.machines.hardware.group import Group, one
from nebula.engine.machines.hardware.processor import Shape, Size, cells
from nebula.engine.machines.hardware.remembered import hardware
from nebula.engine.machines.hardware.system import boot_order
from nebula.engine.machines.held import Held, host_nodes, pins
from nebula.engine.machines.machine import Machine, Nic, machine_of
from nebula.engine.machines.networks import alias_context, nic_context
from nebula.engine.store.rows import NetworkRow, VmRow
from nebula.model.domain import DomainBandwidth, DomainDisk, DomainFirmware, DomainHostDevice, DomainInterface, DomainSpec
from nebula.model.network import NetworkSpec, bridge_of_card

NVRAM = "nvram.fd"
"""A VM's UEFI variables, beside its context CD: they go where it goes."""


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
    held: Held | None = None,
    booted_files: Mapping[str, str] | None = None,
) -> DomainSpec:
    """The domain. `paths`: disk id -> file on the host; `baseline`: the cluster's common CPU, empty for none; `held`: what
    it has of the host for itself; `booted_files`: file on the host by what it is (kernel, ramdisk), of what comes out of
    datastores.
    """
    machine = machine_of(vm)
    template, own = machine.template, held or Held()
    sizes, shaped, booted, devices = hardware(template, vm.vcpus, vm.memory)
    order = {name: place for place, name in enumerate(boot_order(template, machine.disk_ids, machine.nic_ids), 1)}
    disks = _disks(machine, paths, context_path, order, sizes)
    parts: dict[str, Any] = {
        **msgspec.structs.asdict(booted),
        **msgspec.structs.asdict(devices),
        **_sizes(sizes),
        **_shape(shaped, own),
        **_queues(one(template, "FEATURES"), sizes, disks),
        "uefi": _firmware(booted.uefi, context_path),
    }
    files = booted_files or {}
    parts |= {"kernel": files.get("kernel", booted.kernel), "initrd": files.get("ramdisk", booted.initrd)}
    return DomainSpec(
        vm_id=vm.id,
        uuid=vm.uuid,
        name=domain_name(vm.id),
        title=vm.name,
        cpu_share=vm.cpu,
        virt="qemu" if virt == "qemu" else "kvm",
        cpu_xml="" if booted.cpu_mode or virt == "qemu" else baseline,
        disks=disks,
        interfaces=(
            *(_interface(nic, networks[nic.network_id], order.get(f"nic{nic.nic_id}", 0), sizes) for nic in machine.nics),
            *_functions(machine, networks, own),
        ),
        host_devices=_host_devices(machine, own),
        **parts,
    )


def context_iso(vm: VmRow, networks: Mapping[int, NetworkRow], files: Mapping[str, bytes], endpoint: str = "") -> bytes:
    """The VM's context CD, with these files beside the script. `endpoint`: where OneGate is, "" for nowhere."""
    machine = machine_of(vm)
    nics = [nic_context(nic, networks[nic.network_id], machine.card(nic)) for nic in machine.nics]
    nics += [nic_context(nic, networks[nic.network_id], nic.asked) for nic in machine.passthrough]
    nics += [alias_context(nic, alias, networks[alias.network_id]) for nic in machine.nics for alias in nic.aliases]
    gate = GateContext(vm.id, machine.token, endpoint)
    values = context_variables(vm.name, machine.context, nics, (), gate)
    return build_iso({**files, **token_file(values, gate), "context.sh": render(values)}, made=vm.created)


def _sizes(sizes: Size) -> dict[str, Any]:
    return {
        "memory_mib": sizes.memory,
        "memory_max_mib": sizes.memory_max,
        "memory_slots": sizes.slots,
        "memory_balloon": sizes.balloon,
        "memory_limit_mib": sizes.limit,
        "vcpus": sizes.vcpus,
        "vcpus_max": sizes.vcpus_max,
    }


def _shape(shaped: Shape, held: Held) -> dict[str, Any]:
    return {
        "topology": shaped.topology,
        "cells": cells(shaped.parts, host_nodes(held) if len(held.nodes) == len(shaped.parts) else ()),
        "host_nodes": () if shaped.parts else host_nodes(held),
        "pins": pins(held),
        "huge_page_mib": shaped.page,
        "memory_shared": shaped.shared,
    }


def _queues(features: Group, sizes: Size, disks: tuple[DomainDisk, ...]) -> dict[str, Any]:
    """I/O threads, and what the SCSI controller has."""
    threads = features.number("IOTHREADS")
    return {
        "io_threads": threads,
        "scsi_queues": _as_many(features.number("VIRTIO_SCSI_QUEUES"), sizes),
        "scsi_iothread": 1 if threads and any(disk.bus == "scsi" for disk in disks) else 0,
    }


def _as_many(queues: int, sizes: Size) -> int:
    """-1 means one a vCPU."""
    return sizes.vcpus_max if queues < 0 else queues


def _firmware(asked: DomainFirmware | None, context_path: str) -> DomainFirmware | None:
    if asked is None or not context_path:
        return asked
    return msgspec.structs.replace(asked, nvram=f"{dirname(context_path)}/{NVRAM}")


def _disks(
    machine: Machine, paths: Mapping[int, str], context_path: str, order: Mapping[str, int], sizes: Size
) -> tuple[DomainDisk, ...]:
    features = one(machine.template, "FEATURES")
    disks = [_disk(disk, paths[disk.disk_id], order.get(f"disk{disk.disk_id}", 0), features, sizes) for disk in machine.disks]
    if context_path:
        number = max((disk.disk_id for disk in machine.disks), default=-1) + 1
        target = free_target("sd", {disk.target for disk in machine.disks})
        disks.append(
            DomainDisk(
                disk_id=number, path=context_path, target=target, bus="sata", format="raw", device="cdrom", readonly=True
            )
        )
    return tuple(disks)


def _disk(disk: Disk, path: str, boot_order: int, features: Group, sizes: Size) -> DomainDisk:
    virtio, threads = disk.bus == "virtio", features.number("IOTHREADS")
    return DomainDisk(
        disk_id=disk.disk_id,
        path=path,
        target=disk.target,
        bus=disk.bus,
        format="raw" if disk.kind == "cdrom" else "qcow2" if disk.format == "qcow2" else "raw",
        device="cdrom" if disk.kind == "cdrom" else "disk",
        readonly=disk.readonly,
        shareable=disk.shareable,
        cache=disk.cache,
        discard=disk.discard,
        io=disk.io,
        iothread=(disk.iothread or disk.disk_id % threads + 1) if virtio and threads else 0,
        queues=_as_many(disk.queues or features.number("VIRTIO_BLK_QUEUES"), sizes) if virtio else 0,
        limits=tuple(sorted(disk.limits.items())),
        serial=disk.serial,
        boot_order=boot_order,
    )


def _interface(nic: Nic, network: NetworkSpec, boot_order: int, sizes: Size) -> DomainInterface:
    return DomainInterface(
        nic_id=nic.nic_id,
        mac=nic.mac,
        bridge=bridge_of_card(network, nic.tap),
        tap=nic.tap,
        open_vswitch=network.open_vswitch,
        model=nic.model,
        mtu=nic.guest_mtu or network.mtu,
        queues=_as_many(nic.queues, sizes),
        filter=nic.filter,
        inbound=_bandwidth(nic.inbound),
        outbound=_bandwidth(nic.outbound),
        boot_order=boot_order,
    )


def _functions(machine: Machine, networks: Mapping[int, NetworkSpec], held: Held) -> Iterator[DomainInterface]:
    """What the host gave for cards that are virtual functions."""
    for nic in machine.passthrough:
        if nic.pci < len(held.pci):
            yield DomainInterface(
                nic_id=nic.nic_id, mac=nic.mac, address=held.pci[nic.pci], vlan_id=networks[nic.network_id].vlan_id
            )


def _host_devices(machine: Machine, held: Held) -> tuple[DomainHostDevice, ...]:
    cards = {nic.pci for nic in machine.passthrough}
    return tuple(DomainHostDevice(address=address) for number, address in enumerate(held.pci) if number not in cards)


def _bandwidth(limits: tuple[int, int, int]) -> DomainBandwidth | None:
    average, peak, burst = limits
    return DomainBandwidth(average=average, peak=peak, burst=burst) if average else None
