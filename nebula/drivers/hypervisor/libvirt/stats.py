"""Counters of all running domains, in one call that waits for none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.reality import state_of
from nebula.model.domain import DomainStats


def collect(session: Session) -> list[DomainStats]:
    """Every running domain; where one is stuck, its counters are left out and its state remains."""
    lib, conn = session
    kinds = (
        lib.VIR_DOMAIN_STATS_STATE
        | lib.VIR_DOMAIN_STATS_CPU_TOTAL
        | lib.VIR_DOMAIN_STATS_BALLOON
        | lib.VIR_DOMAIN_STATS_VCPU
        | lib.VIR_DOMAIN_STATS_INTERFACE
        | lib.VIR_DOMAIN_STATS_BLOCK
    )
    flags = lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    return [of_record(domain.UUIDString(), record) for domain, record in conn.getAllDomainStats(kinds, flags)]


def of_record(uuid: str, record: Mapping[str, Any]) -> DomainStats:
    """Libvirt's record of one domain."""
    state, reason = state_of(record.get("state.state", 0), record.get("state.reason", 0))
    return DomainStats(
        uuid=uuid,
        state=state,
        reason=reason,
        cpu_time_ns=record.get("cpu.time", 0),
        cpu_wait_ns=waited(record),
        vcpus=record.get("vcpu.current", 0),
        memory_used_kib=record.get("balloon.rss", 0),
        memory_max_kib=record.get("balloon.maximum", 0),
        balloon_kib=record.get("balloon.current", 0),
        disk_read_bytes=total(record, "block", "rd.bytes"),
        disk_write_bytes=total(record, "block", "wr.bytes"),
        disk_read_requests=total(record, "block", "rd.reqs"),
        disk_write_requests=total(record, "block", "wr.reqs"),
        disk_time_ns=total(record, "block", "rd.times") + total(record, "block", "wr.times"),
        disk_errors=total(record, "block", "errors"),
        net_rx_bytes=total(record, "net", "rx.bytes"),
        net_tx_bytes=total(record, "net", "tx.bytes"),
    )


def total(record: Mapping[str, Any], kind: str, counter: str) -> int:
    """The sum of one counter over all of a domain's disks (`block`) or cards (`net`)."""
    count = int(record.get(f"{kind}.count", 0))
    return sum(int(record.get(f"{kind}.{number}.{counter}", 0)) for number in range(count))


def waited(record: Mapping[str, Any]) -> int:
    """Nanoseconds that all vCPUs were ready to run and did not (`delay`; kernels without schedstat report none)."""
    count = int(record.get("vcpu.maximum", record.get("vcpu.current", 0)))
    return sum(int(record.get(f"vcpu.{number}.delay", 0)) for number in range(count))
