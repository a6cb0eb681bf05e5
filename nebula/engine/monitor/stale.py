"""Definitions of ours on a host that the VM has left: taken away when they are off, reported when they run."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping

from nebula.engine.machines.machine import machine_of
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.model.domain import DomainReality, DomainState

_log = logging.getLogger(__name__)


def tidy(services: Services, host: HostRow, domains: Mapping[str, DomainReality], mine: Container[str]) -> list[str]:
    """Undefine stale domains that are off; returns the names of those that run and should not.

    A domain is ours if its UUID is one of our VMs'; `mine`: those of the VMs that are booked here. One that a job or a
    failed migration still concerns is left alone.
    """
    read = services.store.read()
    running: list[str] = []
    for reality in domains.values():
        if reality.vm_id is None or reality.uuid in mine:
            continue
        vm = read.first(VmRow, '"uuid"=?', (reality.uuid,))
        if vm is None or vm.job_id or vm.host_id == host.id or host.id in machine_of(vm).left_on:
            continue
        if reality.state is DomainState.SHUTOFF:
            services.pool.hypervisor(host).undefine(reality.uuid)
            _log.info("host %s had a stale definition of VM %s: removed", host.name, vm.name)
        else:
            running.append(reality.name)
    return running
