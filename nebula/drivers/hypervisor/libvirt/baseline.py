"""A CPU that all hosts of a cluster can run."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import UsageError


def common_cpu(session: Session, cpus: Sequence[str]) -> str:
    """A `<cpu>` element for guests; UsageError if `cpus` is empty."""
    if not cpus:
        raise UsageError("a baseline needs the CPU of at least one host")
    lib, conn = session
    for number, text in enumerate(cpus, 1):
        parse(text, f"CPU number {number} of the baseline")
    flags = lib.VIR_CONNECT_BASELINE_CPU_MIGRATABLE
    return guest_cpu(conn.baselineHypervisorCPU(None, None, None, None, list(cpus), flags))


def guest_cpu(text: str) -> str:
    """A baseline as libvirt gives it, made exact: a host that lacks something of it refuses the guest."""
    element = parse(text, "libvirt's baseline")
    element.set("mode", "custom")
    element.set("match", "exact")
    element.set("check", "partial")
    for model in element.iterfind("model"):
        model.set("fallback", "forbid")
    return ET.tostring(element, encoding="unicode")
