"""The simulated hypervisor; see nebula.drivers.base.Hypervisor for what each method promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, HypervisorCapabilities, MigrationProgress, MigrationRequest, Progress, Subscription
from nebula.drivers.sim.baseline import common_cpu
from nebula.drivers.sim.console import SimConsole
from nebula.drivers.sim.follow import follow_migration
from nebula.drivers.sim.gate import Call
from nebula.drivers.sim.load import counters
from nebula.drivers.sim.records import activity_at
from nebula.drivers.sim.transport import sim
from nebula.errors import NotFoundError
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainState, DomainStats
from nebula.model.host import Finding, HostFacts

T = TypeVar("T")
CAPABILITIES = HypervisorCapabilities(live_migration=True, storage_migration=True, events=True, console=True, graphics=True)
_STATISTICS = (
    "SELECT uuid, state, reason, vcpus, memory_mib, profile, seed, activity, since FROM domains WHERE host=? AND active=1"
)


class SimHypervisor:
    """Domains of one simulated host."""

    def __init__(self, handle: HostHandle) -> None:
        transport = sim(handle)
        self._host, self._world = transport.name, transport.world
        self._domains, self._migrations = self._world.domains, self._world.migrations
        self._closed = False

    def _do(self, name: str, effect: Callable[[float], T], subject: str = "", cancel: CancelToken | None = None) -> T:
        call = Call(self._host, f"hypervisor.{name}", subject, cancel, lambda: self._closed)
        return self._world.gate.perform(call, effect)

    @property
    def capabilities(self) -> HypervisorCapabilities:
        """See Hypervisor.capabilities."""
        return CAPABILITIES

    def facts(self) -> HostFacts:
        """See Hypervisor.facts."""
        return self._do("facts", lambda _now: self._world.hosts.facts(self._host))

    def preflight(self) -> list[Finding]:
        """See Hypervisor.preflight; what `hosts.set_findings` ordered."""
        return self._do("preflight", lambda _now: self._world.hosts.findings(self._host))

    def start(self, spec: DomainSpec) -> None:
        """See Hypervisor.start."""
        self._do("start", lambda now: self._domains.start(self._host, spec, now), spec.uuid)

    def lookup(self, uuid: str) -> DomainReality | None:
        """See Hypervisor.lookup."""
        found = self._do("lookup", lambda _now: self._domains.get(self._host, uuid), uuid)
        return None if found is None else found.reality()

    def domains(self) -> list[DomainReality]:
        """See Hypervisor.domains."""
        return self._do("domains", lambda _now: [domain.reality() for domain in self._domains.on(self._host)])

    def shutdown(self, uuid: str) -> None:
        """See Hypervisor.shutdown."""
        self._do("shutdown", lambda now: self._domains.shutdown(self._host, uuid, now), uuid)

    def destroy(self, uuid: str) -> None:
        """See Hypervisor.destroy."""
        self._do("destroy", lambda now: self._domains.stop(self._host, uuid, "destroyed", now), uuid)

    def undefine(self, uuid: str) -> None:
        """See Hypervisor.undefine."""
        self._do("undefine", lambda _now: self._domains.undefine(self._host, uuid), uuid)

    def reboot(self, uuid: str) -> None:
        """See Hypervisor.reboot."""
        self._do("reboot", lambda _now: self._domains.require(self._host, uuid), uuid)

    def reset(self, uuid: str) -> None:
        """See Hypervisor.reset."""
        self._do("reset", lambda _now: self._domains.require(self._host, uuid), uuid)

    def pause(self, uuid: str) -> None:
        """See Hypervisor.pause."""
        self._do("pause", lambda now: self._domains.pause(self._host, uuid, "user", now), uuid)

    def unpause(self, uuid: str) -> None:
        """See Hypervisor.unpause."""
        self._do("unpause", lambda now: self._domains.unpause(self._host, uuid, now), uuid)

    def migrate(self, request: MigrationRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.migrate."""
        target = sim(request.target).name

        def begin(now: float) -> int | None:
            return self._migrations.begin(
                self._host,
                request.uuid,
                target,
                now,
                copy_targets=request.copy_targets,
                disk_paths=request.disk_paths,
                bandwidth_mib=request.bandwidth_mib,
            )

        migration_id = self._do("migrate", begin, request.uuid, cancel)
        if migration_id is not None:
            follow_migration(self._world, migration_id, progress, cancel, lambda: self._closed)

    def migration_progress(self, uuid: str) -> MigrationProgress | None:
        """See Hypervisor.migration_progress."""
        return self._do("migration_progress", lambda now: self._progress(uuid, now), uuid)

    def _progress(self, uuid: str, now: float) -> MigrationProgress | None:
        found = self._migrations.running(uuid, self._host)
        if found is None:
            return None
        done = found.done(now)
        return MigrationProgress(total=found.total, done=done, remaining=found.total - done, downtime_ms=50)

    def abort_migration(self, uuid: str) -> None:
        """See Hypervisor.abort_migration."""
        self._do("abort_migration", lambda now: self._migrations.abort(self._host, uuid, now), uuid)

    def statistics(self) -> list[DomainStats]:
        """See Hypervisor.statistics."""
        return self._do("statistics", self._statistics)

    def _statistics(self, now: float) -> list[DomainStats]:
        answer = []
        for uuid, state, reason, vcpus, memory_mib, profile, seed, activity, since in self._world.db.all(
            _STATISTICS, self._host
        ):
            shown = counters(activity_at(activity, profile, seed, since, now), seed, vcpus, memory_mib)
            answer.append(
                DomainStats(
                    uuid=uuid,
                    state=DomainState(state),
                    reason=reason,
                    vcpus=vcpus,
                    memory_max_kib=memory_mib << 10,
                    cpu_time_ns=shown.cpu_time_ns,
                    memory_used_kib=shown.memory_used_kib,
                    disk_read_bytes=shown.disk_read_bytes,
                    disk_write_bytes=shown.disk_write_bytes,
                    disk_read_requests=shown.disk_read_requests,
                    disk_write_requests=shown.disk_write_requests,
                    disk_errors=int(reason == "io_error"),
                    net_rx_bytes=shown.net_rx_bytes,
                    net_tx_bytes=shown.net_tx_bytes,
                )
            )
        return answer

    def subscribe(self, callback: Callable[[DomainEvent], None]) -> Subscription:
        """See Hypervisor.subscribe."""
        return self._do("subscribe", lambda _now: self._world.follower.subscribe(self._host, callback))

    def console(self, uuid: str) -> SimConsole:
        """See Hypervisor.console."""
        found = self._do("console", lambda _now: self._domains.require(self._host, uuid), uuid)
        return SimConsole(self._world, found)

    def graphics(self, uuid: str) -> tuple[str, str, int]:
        """See Hypervisor.graphics."""
        found = self._do("graphics", lambda _now: self._domains.require(self._host, uuid), uuid)
        spec = found.spec
        if spec is None or spec.graphics is None:
            raise NotFoundError(f"domain {found.name} on host {self._host} has no graphical console")
        chosen = spec.graphics.port if spec.graphics.port > 0 else 5900 + spec.vm_id
        return spec.graphics.type, spec.graphics.listen, chosen

    def baseline(self, cpus: Sequence[str]) -> str:
        """See Hypervisor.baseline."""
        return common_cpu(cpus)

    def close(self) -> None:
        """See Hypervisor.close; ends calls that hang."""
        self._closed = True
