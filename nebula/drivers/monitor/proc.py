"""Counters from /proc: one command on a remote host, psutil on this machine."""

from __future__ import annotations

from nebula.clock import Clock, SystemClock
from nebula.drivers.base import HostHandle
from nebula.drivers.monitor.parse import SECTION, parse_sample
from nebula.model.host import HostSample

_FILES = "stat meminfo diskstats net/dev loadavg pressure/cpu pressure/memory pressure/io"
_SCRIPT = (
    f'for file in {_FILES}; do echo "{SECTION}$file"; head -n 2000 "/proc/$file" 2>/dev/null; done; '
    f'echo "{SECTION}ticks"; getconf CLK_TCK 2>/dev/null; echo "{SECTION}date"; date +%s.%N; true'
)
"""Constant: nothing that anybody typed is part of it."""


class ProcMonitor:
    """The monitor driver "proc": needs nothing on a host but a shell."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def sample(self, host: HostHandle) -> HostSample:
        """The host's counters now. A file that its kernel lacks leaves zeros; raises what the transport raises."""
        from nebula.transport.local import LocalTransport

        if isinstance(host.transport, LocalTransport):
            from nebula.drivers.monitor.machine import sample_machine

            return sample_machine(self._clock.now())
        done = host.transport.run(["sh", "-c", _SCRIPT])
        return parse_sample(done.text, self._clock.now())
