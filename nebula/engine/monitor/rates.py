"""From counters to rates: two samples of the same object make one."""

from __future__ import annotations

from nebula.model.domain import DomainStats
from nebula.model.host import HostSample


def host_cpu(before: HostSample, after: HostSample, cpu_total: int) -> int:
    """Hundredths of a core in use between two samples; -1 where the counters do not allow a statement."""
    busy, idle = after.cpu_busy - before.cpu_busy, after.cpu_idle - before.cpu_idle
    if busy < 0 or idle < 0 or busy + idle <= 0:
        return -1
    return round(cpu_total * busy / (busy + idle))


def domain_cpu(before: DomainStats, after: DomainStats, seconds: float) -> int:
    """Hundredths of a core that a domain used; -1 where it was restarted in between."""
    used = after.cpu_time_ns - before.cpu_time_ns
    if used < 0 or seconds <= 0:
        return -1
    return round(used / 1e9 / seconds * 100)
