"""Which figures there are of a VM and of a host, in which unit; their order is the order in every row of figures."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """One figure."""

    name: str
    unit: str
    meaning: str


ObjectKind = Literal["vm", "host"]
_CORE, _MIB, _RATE, _OPS, _MS, _SHARE = "hundredths of a core", "MiB", "MiB/s", "1/s", "ms", "share of the time"

VM: tuple[Metric, ...] = (
    Metric("cpu", _CORE, "used"),
    Metric("cpu_wait", _CORE, "wanted while the host had no CPU for it (steal, as the guest sees it)"),
    Metric("memory", _MIB, "held by its process on the host"),
    Metric("balloon", _MIB, "given to the guest"),
    Metric("disk_read", _RATE, "read from its disks"),
    Metric("disk_write", _RATE, "written to its disks"),
    Metric("disk_ops", _OPS, "requests to its disks"),
    Metric("disk_latency", _MS, "mean time of a request to its disks"),
    Metric("net_rx", _RATE, "received"),
    Metric("net_tx", _RATE, "sent"),
)
HOST: tuple[Metric, ...] = (
    Metric("cpu", _CORE, "used"),
    Metric("cpu_wait", _CORE, "wanted while the machine below had no CPU for it (steal)"),
    Metric("memory", _MIB, "used"),
    Metric("cpu_pressure", _SHARE, "in which some task waited for a CPU"),
    Metric("memory_pressure", _SHARE, "in which some task waited for memory"),
    Metric("io_pressure", _SHARE, "in which some task waited for a disk"),
    Metric("disk_read", _RATE, "read from its disks"),
    Metric("disk_write", _RATE, "written to its disks"),
    Metric("net_rx", _RATE, "received"),
    Metric("net_tx", _RATE, "sent"),
)
METRICS: dict[str, tuple[Metric, ...]] = {"vm": VM, "host": HOST}
Row = tuple[float, ...]
"""One value a metric; NaN: not known."""


def place(kind: str, name: str) -> int:
    """Where a metric stands in a row."""
    return [metric.name for metric in METRICS[kind]].index(name)
