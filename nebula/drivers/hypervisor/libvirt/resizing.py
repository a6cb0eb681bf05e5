"""vCPUs, memory and share of a running domain, in the domain and in its definition alike.

Memory grows by the balloon up to what the domain was started with, or where its definition has room for it by a further DIMM.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.design import SHARES
from nebula.drivers.hypervisor.libvirt.domains import require
from nebula.drivers.hypervisor.libvirt.xml.tree import node, parse, write
from nebula.errors import ConflictError


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain is to have; `cpu_share` in hundredths of a core."""

    vcpus: int
    memory_mib: int
    cpu_share: int


def resize(session: Session, uuid: str, size: Size, host: str) -> None:
    """See Hypervisor.resize."""
    domain = require(session, uuid, host)
    if not domain.isActive():
        raise ConflictError(f"domain {domain.name()} on host {host} is off: it is not resized while it runs")
    _memory(session, domain, size.memory_mib, host)
    _vcpus(session, domain, size.vcpus, host)
    _share(session, domain, min(max(size.cpu_share, SHARES[0]), SHARES[1]))


def _vcpus(session: Session, domain: Any, wanted: int, host: str) -> None:
    lib = session.lib
    for flag in (lib.VIR_DOMAIN_AFFECT_LIVE, lib.VIR_DOMAIN_AFFECT_CONFIG):
        if domain.vcpusFlags(flag) == wanted:
            continue
        most = domain.vcpusFlags(flag | lib.VIR_DOMAIN_VCPU_MAXIMUM)
        if wanted > most:
            raise ConflictError(
                f"domain {domain.name()} on host {host} cannot have {wanted} vCPUs while it runs", cause=f"at most {most}"
            )
        domain.setVcpusFlags(wanted, flag)


def _memory(session: Session, domain: Any, wanted: int, host: str) -> None:
    lib = session.lib
    for flag in (lib.VIR_DOMAIN_AFFECT_LIVE, lib.VIR_DOMAIN_AFFECT_CONFIG):
        inactive = lib.VIR_DOMAIN_XML_INACTIVE if flag == lib.VIR_DOMAIN_AFFECT_CONFIG else 0
        root = parse(domain.XMLDesc(inactive), "a domain's definition")
        whole, now = _mib(root, "memory"), _mib(root, "currentMemory")
        if wanted > whole and root.find("maxMemory") is not None:
            domain.attachDeviceFlags(_dimm(wanted - whole), flag)
        elif wanted > whole:
            raise ConflictError(
                f"domain {domain.name()} on host {host} cannot have {wanted} MiB while it runs", cause=f"at most {whole} MiB"
            )
        elif now != wanted:
            domain.setMemoryFlags(wanted << 10, flag)


def _dimm(mib: int) -> str:
    target = node("target", node("size", text=mib, unit="MiB"), node("node", text=0))
    return write(node("memory", target, model="dimm"))


def _mib(root: Any, tag: str) -> int:
    """A definition has KiB."""
    return int(root.findtext(tag) or 0) >> 10


def _share(session: Session, domain: Any, wanted: int) -> None:
    """A host without control groups for CPUs has no shares to give."""
    lib = session.lib
    try:
        for flag in (lib.VIR_DOMAIN_AFFECT_LIVE, lib.VIR_DOMAIN_AFFECT_CONFIG):
            if domain.schedulerParametersFlags(flag).get("cpu_shares") != wanted:
                domain.setSchedulerParametersFlags({"cpu_shares": wanted}, flag)
    except lib.libvirtError as error:
        if "not mounted" not in str(error):
            raise
