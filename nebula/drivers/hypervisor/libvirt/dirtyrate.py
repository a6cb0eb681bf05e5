"""How fast guests write to their memory: QEMU looks at samples of their pages twice, some time apart.

That takes some 500 pages a GiB and holds up no guest; where QEMU or libvirt are too old for it (before 5.2 and 7.2), nothing is
known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.domains import find

SECONDS = 1
"""Between the two looks: what libvirt takes at least."""
PATIENCE = 4.0
"""Seconds after the begin at which the slowest answer must be there."""


def begin(session: Session, uuids: Sequence[str]) -> list[str]:
    """Start to measure; those that it began with."""
    begun = []
    for uuid in uuids:
        domain = find(session, uuid)
        if domain is not None:
            with contextlib.suppress(session.lib.libvirtError):  # it is off, or cannot be measured
                domain.startDirtyRateCalc(SECONDS, 0)
                begun.append(uuid)
    return begun


def read(session: Session, uuids: Iterable[str]) -> dict[str, float]:
    """UUID -> MiB/s of those whose measurement has ended."""
    lib = session.lib
    found = [domain for domain in (find(session, uuid) for uuid in uuids) if domain is not None]
    if not found:
        return {}
    flags = lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    records = session.conn.domainListGetStats(found, lib.VIR_DOMAIN_STATS_DIRTYRATE, flags)
    rates = ((domain.UUIDString(), _rate(lib, record)) for domain, record in records)
    return {uuid: rate for uuid, rate in rates if rate is not None}


def _rate(lib: Any, record: dict[str, Any]) -> float | None:
    if record.get("dirtyrate.calc_status") != lib.VIR_DOMAIN_DIRTYRATE_MEASURED:
        return None
    return float(record.get("dirtyrate.megabytes_per_second", 0))
