"""VMs marked AUTOSTART come back after their host lost power; what a person or the guest itself switched off stays off."""

from __future__ import annotations

import logging

from nebula.engine.api.values import Call
from nebula.engine.api.verbs import Vms
from nebula.engine.lifecycle.states import VmState
from nebula.engine.services import Services
from nebula.engine.store.rows import VmRow
from nebula.errors import NebulaError, OwnerError

_log = logging.getLogger(__name__)
LOST = ("unknown", "libvirtd lost it", "failed")
"""Reasons of a POWEROFF that nobody wanted: libvirt says `unknown` of a domain that it finds off after a cold start."""


def bring_back(services: Services, vms: Vms, host_id: int) -> list[str]:
    """Start them, by the verb that a person would type; returns their names."""
    started: list[str] = []
    rows = services.store.read().select(
        VmRow, '"host_id"=? AND "state"=? AND "autostart"=1 AND "job_id"=0 ORDER BY "id"', (host_id, int(VmState.POWEROFF))
    )
    for vm in rows:
        if vm.reason not in LOST:
            continue
        try:
            vms.resume(str(vm.id), Call(actor="autostart"))
        except OwnerError:
            return started
        except NebulaError as error:
            _log.warning("VM %s could not be started again: %s", vm.name, error)
            continue
        started.append(vm.name)
    return started
