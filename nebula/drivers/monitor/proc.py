"""Counters from /proc: one command on a remote host, psutil on this machine."""

from __future__ import annotations

from msgspec.structs import replace

from nebula.clock import Clock, SystemClock
from nebula.drivers.base import HostHandle
from nebula.drivers.monitor import hardware as seldom
from nebula.drivers.monitor.hardware import parse_hardware
from nebula.drivers.monitor.parse import SECTION, parse_sample, split
from nebula.model.host import HostHardware, HostSample

_FILES = "stat meminfo diskstats net/dev loadavg pressure/cpu pressure/memory pressure/io"
_SCRIPT = (
    f'for file in {_FILES}; do echo "{SECTION}$file"; head -n 2000 "/proc/$file" 2>/dev/null; done; '
    f'echo "{SECTION}ticks"; getconf CLK_TCK 2>/dev/null; echo "{SECTION}date"; date +%s.%N; true'
)
"""Constant: nothing that anybody typed is part of it."""
_HARDWARE = "hardware"
_WITH_HARDWARE = f'{_SCRIPT}; echo "{SECTION}{_HARDWARE}"; {seldom.SCRIPT}'


class ProcMonitor:
    """The monitor driver "proc": needs nothing on a host but a shell."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def sample(self, host: HostHandle, *, hardware: bool = False) -> HostSample:
        """The host's counters now. A file that its kernel lacks leaves zeros; raises what the transport raises."""
        from nebula.transport.local import LocalTransport

        if isinstance(host.transport, LocalTransport):
            from nebula.drivers.monitor.machine import sample_machine

            sample = sample_machine(self._clock.now())
            return replace(sample, hardware=_own_hardware(host)) if hardware else sample
        text = host.transport.run(["sh", "-c", _WITH_HARDWARE if hardware else _SCRIPT]).text
        sample = parse_sample(text, self._clock.now())
        return replace(sample, hardware=parse_hardware(split(text).get(_HARDWARE, ()))) if hardware else sample


def _own_hardware(host: HostHandle) -> HostHardware:
    return parse_hardware(host.transport.run(["sh", "-c", seldom.SCRIPT]).text.splitlines())
