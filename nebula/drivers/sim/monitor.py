"""The simulated monitor: a host's counters are the sum of its guests' and its own."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from nebula import typed
from nebula.drivers.base import HostHandle
from nebula.drivers.sim.hosts import OVERHEAD
from nebula.drivers.sim.load import counters, level
from nebula.drivers.sim.records import activity_at
from nebula.drivers.sim.transport import sim
from nebula.drivers.sim.world import SimWorld
from nebula.model.host import HostFacts, HostSample

_HOST = (
    "SELECT facts, booted_at, clock_skew, departed_busy, departed_read, departed_written, departed_received, departed_sent,"
    " sampled_at, sampled_raw, sampled_busy, sampled_pressure FROM hosts"
    " WHERE name=?"
)
_GUESTS = "SELECT vcpus, memory_mib, profile, seed, activity, since FROM domains WHERE host=? AND active=1"
_HOST_MEMORY_MIB = 1024
_decode = lru_cache(maxsize=1024)(typed.decoder(HostFacts))


class _Sums(msgspec.Struct):
    """Of a host's guests, those that left included: core-seconds, bytes; of those there: cores wanted now, MiB."""

    busy: float
    disk_read: int
    disk_write: int
    net_rx: int
    net_tx: int
    wanted: float = 0.0
    memory_mib: int = 0


class SimMonitor:
    """See nebula.drivers.base.Monitor."""

    def sample(self, host: HostHandle, *, hardware: bool = False) -> HostSample:
        """See Monitor.sample."""
        transport = sim(host)

        def look(now: float) -> HostSample:
            sample = _sample(transport.world, transport.name, now)
            if not hardware:
                return sample
            return msgspec.structs.replace(sample, hardware=transport.world.hosts.hardware(transport.name))

        return transport.perform("monitor.sample", look)


def _sample(world: SimWorld, name: str, now: float) -> HostSample:
    row = world.db.one(_HOST, name)
    assert row is not None  # noqa: S101 - the gate has seen the host
    blob, booted_at, skew, *departed, sampled_at, old_raw, old_busy, old_pressure = row
    facts = _decode(blob)
    cores = facts.cpu_total / 100
    sums = _guests(world, name, _Sums(*departed), now)
    raw = max(old_raw, sums.busy + OVERHEAD * (now - booted_at))
    possible = cores * max(0.0, now - sampled_at)
    busy = old_busy + min(raw - old_raw, possible)
    pressure = old_pressure + max(0.0, raw - old_raw - possible) / cores
    world.db.run(
        "UPDATE hosts SET sampled_at=max(sampled_at, ?), sampled_raw=?, sampled_busy=?, sampled_pressure=? WHERE name=?",
        now, raw, busy, pressure, name,
    )  # fmt: skip
    return HostSample(
        taken=now,
        host_time=now + skew,
        cpu_busy=busy,
        cpu_idle=max(0.01, cores * (max(now, sampled_at) - booted_at) - busy),
        memory_total_mib=facts.memory_total_mib,
        memory_free_mib=max(0, facts.memory_total_mib - _HOST_MEMORY_MIB - sums.memory_mib),
        disk_read_bytes=sums.disk_read,
        disk_write_bytes=sums.disk_write,
        net_rx_bytes=sums.net_rx,
        net_tx_bytes=sums.net_tx,
        pressure_cpu=pressure,
        load1=round(sums.wanted + OVERHEAD, 2),
    )


def _guests(world: SimWorld, name: str, sums: _Sums, now: float) -> _Sums:
    for vcpus, memory_mib, profile, seed, activity, since in world.db.all(_GUESTS, name):
        worked = activity_at(activity, profile, seed, since, now)
        shown = counters(worked, seed, vcpus, memory_mib)
        sums.busy += worked * vcpus
        sums.wanted += 0.0 if since is None else level(profile, seed, now) * vcpus
        sums.memory_mib += shown.memory_used_kib >> 10
        sums.disk_read += shown.disk_read_bytes
        sums.disk_write += shown.disk_write_bytes
        sums.net_rx += shown.net_rx_bytes
        sums.net_tx += shown.net_tx_bytes
    return sums
