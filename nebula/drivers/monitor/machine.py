"""Counters of this machine, by psutil."""

from __future__ import annotations

from pathlib import Path

import psutil

from nebula.drivers.monitor.devices import is_disk, is_uplink
from nebula.drivers.monitor.parse import pressure
from nebula.model.host import HostSample

_MIB = 1 << 20


def sample_machine(taken: float) -> HostSample:
    """The same counters as from a remote host; `taken` (seconds since the epoch) is the host's clock too."""
    cpu, memory = psutil.cpu_times(), psutil.virtual_memory()
    disks = [counters for name, counters in (psutil.disk_io_counters(perdisk=True) or {}).items() if is_disk(name)]
    cards = [counters for name, counters in (psutil.net_io_counters(pernic=True) or {}).items() if is_uplink(name)]
    return HostSample(
        taken=taken,
        host_time=taken,
        cpu_busy=cpu.user + cpu.nice + cpu.system + cpu.irq + cpu.softirq,
        cpu_idle=cpu.idle + cpu.iowait,
        cpu_steal=cpu.steal,
        memory_total_mib=memory.total // _MIB,
        memory_free_mib=memory.available // _MIB,
        disk_read_bytes=sum(disk.read_bytes for disk in disks),
        disk_write_bytes=sum(disk.write_bytes for disk in disks),
        net_rx_bytes=sum(card.bytes_recv for card in cards),
        net_tx_bytes=sum(card.bytes_sent for card in cards),
        pressure_cpu=_pressure("cpu"),
        pressure_memory=_pressure("memory"),
        pressure_io=_pressure("io"),
        load1=psutil.getloadavg()[0],
    )


def _pressure(kind: str) -> float:
    """A kernel without PSI has no such file; one with PSI switched off refuses to read it."""
    try:
        text = Path("/proc/pressure", kind).read_text(encoding="ascii")
    except OSError:
        return 0.0
    return pressure(text.splitlines())
