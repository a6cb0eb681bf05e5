"""From counters to figures: two samples of the same object make one row."""

from __future__ import annotations

import math

from nebula.engine.metrics.kinds import Row
from nebula.model.domain import DomainStats
from nebula.model.host import HostSample

_MIB = 1 << 20
UNKNOWN = math.nan


def domain(before: DomainStats, after: DomainStats, seconds: float) -> Row | None:
    """The figures of a domain (see kinds.VM) between two looks; None where it was started anew in between."""
    used = after.cpu_time_ns - before.cpu_time_ns
    if used < 0 or seconds <= 0:
        return None
    requests = _grown(
        before.disk_read_requests + before.disk_write_requests, after.disk_read_requests + after.disk_write_requests
    )
    waited = _grown(before.disk_time_ns, after.disk_time_ns)
    return (
        used / 1e7 / seconds,
        _grown(before.cpu_wait_ns, after.cpu_wait_ns) / 1e7 / seconds,
        after.memory_used_kib / 1024,
        after.balloon_kib / 1024 if after.balloon_kib else UNKNOWN,
        _grown(before.disk_read_bytes, after.disk_read_bytes) / _MIB / seconds,
        _grown(before.disk_write_bytes, after.disk_write_bytes) / _MIB / seconds,
        requests / seconds,
        waited / 1e6 / requests if requests else 0.0,
        _grown(before.net_rx_bytes, after.net_rx_bytes) / _MIB / seconds,
        _grown(before.net_tx_bytes, after.net_tx_bytes) / _MIB / seconds,
    )


def host(before: HostSample, after: HostSample, cpu_total: int) -> Row | None:
    """The figures of a host (see kinds.HOST); None where its counters do not allow a statement."""
    busy, idle = after.cpu_busy - before.cpu_busy, after.cpu_idle - before.cpu_idle
    steal = max(0.0, after.cpu_steal - before.cpu_steal)
    seconds = after.taken - before.taken
    whole = busy + idle + steal
    if busy < 0 or idle < 0 or whole <= 0 or seconds <= 0:
        return None
    return (
        cpu_total * busy / whole,
        cpu_total * steal / whole,
        float(after.memory_total_mib - after.memory_free_mib),
        _share(before.pressure_cpu, after.pressure_cpu, seconds),
        _share(before.pressure_memory, after.pressure_memory, seconds),
        _share(before.pressure_io, after.pressure_io, seconds),
        _grown(before.disk_read_bytes, after.disk_read_bytes) / _MIB / seconds,
        _grown(before.disk_write_bytes, after.disk_write_bytes) / _MIB / seconds,
        _grown(before.net_rx_bytes, after.net_rx_bytes) / _MIB / seconds,
        _grown(before.net_tx_bytes, after.net_tx_bytes) / _MIB / seconds,
    )


def _grown(before: float, after: float) -> float:
    """A counter that fell (a disk was detached, a card plugged) says nothing about this interval."""
    return max(0.0, after - before)


def _share(before: float, after: float, seconds: float) -> float:
    return min(1.0, max(0.0, (after - before) / seconds))
