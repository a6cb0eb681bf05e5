"""The simulated hypervisor; see nebula.drivers.base.Hypervisor for what each method promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nebula.cancel import CancelToken
from nebula.drivers.base import (
    DiskCopyRequest,
    HostHandle,
    HypervisorCapabilities,
    MigrationProgress,
    MigrationRequest,
    Progress,
    Subscription,
)
from nebula.drivers.sim.agent import SimAgent
from nebula.drivers.sim.baseline import common_cpu
from nebula.drivers.sim.console import SimConsole
from nebula.drivers.sim.follow import STEP_SECONDS, follow_migration, follow_mirror
from nebula.drivers.sim.gate import Call
from nebula.drivers.sim.load import counters, dirty_rate
from nebula.drivers.sim.records import activity_at, found_of
from nebula.drivers.sim.transport import sim
from nebula.errors import ConflictError, InterruptedByUser, NotFoundError
from nebula.model.backup import BackupRequest
from nebula.model.domain import DomainEvent, DomainReality, DomainSpec, DomainState, DomainStats
from nebula.model.found import FoundDomain
from nebula.model.guest import GuestAddress, Picture
from nebula.model.host import Finding, HostFacts

T = TypeVar("T")
CAPABILITIES = HypervisorCapabilities(
    live_migration=True,
    storage_migration=True,
    events=True,
    console=True,
    graphics=True,
    saves_memory=True,
    hot_buses=("virtio", "scsi"),
    hot_cards=True,
    hot_resize=True,
    dirty_rates=True,
    agent=True,
    screenshots=True,
    media=True,
    disk_layers=True,
    snapshots=True,
    backups=True,
    copies_disks=True,
)
_REQUEST_NS = 800_000
"""What a request to a simulated disk takes."""
_STATISTICS = (
    "SELECT uuid, state, reason, vcpus, memory_mib, profile, seed, activity, since FROM domains WHERE host=? AND active=1"
)


class SimHypervisor:
    """Domains of one simulated host."""

    def __init__(self, handle: HostHandle) -> None:
        transport = sim(handle)
        self._host, self._world = transport.name, transport.world
        self._domains, self._migrations, self._memories = self._world.domains, self._world.migrations, self._world.memories
        self._hotplug = self._world.hotplug
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
        self._do("start", lambda now: self._memories.start(self._host, spec, now), spec.uuid)

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

    def inspect(self, uuid: str) -> FoundDomain:
        """See Hypervisor.inspect."""
        return self._do("inspect", lambda _now: found_of(self._domains.require(self._host, uuid, active=False)), uuid)

    def definition(self, uuid: str) -> str:
        """See Hypervisor.definition: what libvirt would be told."""
        found = self._do("definition", lambda _now: self._domains.require(self._host, uuid, active=False), uuid)
        from nebula.drivers.sim.definition import definition

        return definition(uuid, found.name, found.spec)

    def start_defined(self, uuid: str) -> None:
        """See Hypervisor.start_defined."""
        self._do("start_defined", lambda now: self._start_defined(uuid, now), uuid)

    def _start_defined(self, uuid: str, now: float) -> None:
        found = self._domains.require(self._host, uuid, active=False)
        if found.saved and found.spec is not None:
            self._world.memories.start(self._host, found.spec, now)
        else:
            self._domains.start_defined(self._host, uuid, now)

    def delete_files(self, paths: Sequence[str]) -> None:
        """See Hypervisor.delete_files."""

        def work(_now: float) -> None:
            self._domains.refuse_used(self._host, paths)
            for path in paths:
                self._world.storage.remove(self._host, path)

        self._do("delete_files", work)

    def destroy(self, uuid: str) -> None:
        """See Hypervisor.destroy."""
        self._do("destroy", lambda now: self._domains.stop(self._host, uuid, "destroyed", now), uuid)

    def undefine(self, uuid: str) -> None:
        """See Hypervisor.undefine."""
        self._do("undefine", lambda _now: self._domains.undefine(self._host, uuid), uuid)

    def save(self, uuid: str, path: str = "", *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.save; it takes no time."""
        if cancel is not None:
            cancel.raise_if_set()
        self._do("save", lambda now: self._memories.save(self._host, uuid, path, now), uuid, cancel)
        if progress is not None:
            progress(1, 1)

    def restore(self, spec: DomainSpec, path: str = "", *, paused: bool = False) -> None:
        """See Hypervisor.restore."""
        self._do("restore", lambda now: self._memories.restore(self._host, spec, path, paused=paused, now=now), spec.uuid)

    def attach_disk(self, spec: DomainSpec, disk_id: int) -> None:
        """See Hypervisor.attach_disk."""
        self._do("attach_disk", lambda now: self._hotplug.attach_disk(self._host, spec, disk_id, now), spec.uuid)

    def detach_disk(self, uuid: str, target: str) -> bool:
        """See Hypervisor.detach_disk."""
        return self._do("detach_disk", lambda _now: self._hotplug.detach_disk(self._host, uuid, target), uuid)

    def load_cd(self, uuid: str, target: str, path: str) -> None:
        """See Hypervisor.load_cd."""
        self._do("load_cd", lambda _now: self._hotplug.load_cd(self._host, uuid, target, path), uuid)

    def attach_card(self, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.attach_card."""
        self._do("attach_card", lambda _now: self._hotplug.attach_card(self._host, spec, nic_id), spec.uuid)

    def detach_card(self, uuid: str, mac: str) -> bool:
        """See Hypervisor.detach_card."""
        return self._do("detach_card", lambda _now: self._hotplug.detach_card(self._host, uuid, mac), uuid)

    def update_card(self, spec: DomainSpec, nic_id: int) -> None:
        """See Hypervisor.update_card."""
        self._do("update_card", lambda _now: self._hotplug.update_card(self._host, spec, nic_id), spec.uuid)

    def resize(self, uuid: str, *, vcpus: int, memory_mib: int, cpu_share: int) -> None:
        """See Hypervisor.resize."""
        self._do("resize", lambda _now: self._hotplug.resize(self._host, uuid, vcpus, memory_mib, cpu_share), uuid)

    def resize_disk(self, uuid: str, target: str, size: int) -> None:
        """See Hypervisor.resize_disk."""
        self._do("resize_disk", lambda _now: self._hotplug.resize_disk(self._host, uuid, target, size), uuid)

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
        if cancel is not None and self._migrations.running(request.uuid, self._host) is None:
            cancel.raise_if_set()

        def begin(now: float) -> int | None:
            return self._migrations.begin(
                self._host,
                request.uuid,
                target,
                now,
                copy_targets=request.copy_targets,
                disk_paths=request.disk_paths,
                booted=(request.kernel, request.initrd),
                pins=request.pins,
                host_nodes=request.host_nodes,
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
                    balloon_kib=memory_mib << 10,
                    cpu_time_ns=shown.cpu_time_ns,
                    memory_used_kib=shown.memory_used_kib,
                    disk_read_bytes=shown.disk_read_bytes,
                    disk_write_bytes=shown.disk_write_bytes,
                    disk_read_requests=shown.disk_read_requests,
                    disk_write_requests=shown.disk_write_requests,
                    disk_time_ns=(shown.disk_read_requests + shown.disk_write_requests) * _REQUEST_NS,
                    disk_errors=int(reason == "io_error"),
                    net_rx_bytes=shown.net_rx_bytes,
                    net_tx_bytes=shown.net_tx_bytes,
                )
            )
        return answer

    def dirty_rates(self, uuids: Sequence[str]) -> dict[str, float]:
        """See Hypervisor.dirty_rates."""
        return self._do("dirty_rates", lambda now: self._dirty_rates({*uuids}, now))

    def _dirty_rates(self, wanted: set[str], now: float) -> dict[str, float]:
        rows = self._world.db.all("SELECT uuid, vcpus, profile, seed FROM domains WHERE host=? AND active=1", self._host)
        return {uuid: dirty_rate(profile, seed, vcpus, now) for uuid, vcpus, profile, seed in rows if uuid in wanted}

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

    def ask_agent(self, uuid: str, command: str, arguments: Mapping[str, Any], *, timeout: float) -> Any:  # noqa: ARG002
        """See Hypervisor.ask_agent."""
        return self._do("ask_agent", lambda now: self._agent(uuid).answer(command, arguments, now), uuid)

    def addresses(self, uuid: str) -> list[GuestAddress]:
        """See Hypervisor.addresses."""
        return self._do("addresses", lambda _now: self._agent(uuid).addresses(), uuid)

    def _agent(self, uuid: str) -> SimAgent:
        return SimAgent(self._world.db, self._domains.require(self._host, uuid))

    def screenshot(self, uuid: str) -> Picture:
        """See Hypervisor.screenshot: a blue screen of 2 by 1."""
        found = self._do("screenshot", lambda _now: self._domains.require(self._host, uuid), uuid)
        if found.spec is None or found.spec.graphics is None:
            raise NotFoundError(f"domain {found.name} on host {self._host} shows no screen")
        return Picture(type="image/x-portable-pixmap", data=b"P6\n2 1\n255\n" + bytes((0, 0, 255)) * 2)

    def renew_medium(self, uuid: str, path: str) -> bool:
        """See Hypervisor.renew_medium; the world remembers it in the guest's file /run/medium."""
        return self._do("renew_medium", lambda now: self._renew(uuid, path, now), uuid)

    def _renew(self, uuid: str, path: str, now: float) -> bool:
        found = self._domains.require(self._host, uuid, active=False)
        cds = [disk.path for disk in found.spec.disks if disk.device == "cdrom"] if found.spec else []
        if not found.active or path not in cds:
            return False
        SimAgent(self._world.db, found).write("/run/medium", f"{path} {now}\n".encode())
        return True

    def snapshot(self, uuid: str, name: str) -> None:
        """See Hypervisor.snapshot."""
        self._do("snapshot", lambda _now: self._world.layers.keep(self._host, uuid, name), uuid)

    def revert(self, uuid: str, name: str) -> None:
        """See Hypervisor.revert."""
        self._do("revert", lambda _now: self._world.layers.revert(self._host, uuid, name), uuid)

    def delete_snapshot(self, uuid: str, name: str) -> None:
        """See Hypervisor.delete_snapshot."""
        self._do("delete_snapshot", lambda _now: self._world.layers.forget(self._host, uuid, name), uuid)

    def disk_source(self, uuid: str, target: str) -> str:
        """See Hypervisor.disk_source."""
        return self._do("disk_source", lambda _now: self._world.layers.source(self._host, uuid, target), uuid)

    def switch_disk(self, uuid: str, target: str, path: str) -> None:
        """See Hypervisor.switch_disk."""
        self._do("switch_disk", lambda now: self._world.layers.switch(self._host, uuid, target, path, now), uuid)

    def pull_disk(
        self, uuid: str, target: str, gone: str, base: str, *, progress: Progress | None, cancel: CancelToken | None
    ) -> None:
        """See Hypervisor.pull_disk."""
        del gone, progress
        self._do("pull_disk", lambda _now: self._world.layers.pull(self._host, uuid, target, base), uuid, cancel)

    def uses_disk(self, uuid: str, target: str, path: str) -> bool:
        """See Hypervisor.uses_disk."""
        return self._do("uses_disk", lambda _now: self._world.mirrors.uses(self._host, uuid, target, path), uuid)

    def copy_disk(self, request: DiskCopyRequest, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.copy_disk."""
        mirrors, uuid = self._world.mirrors, request.uuid
        if self._do("copy_disk", lambda now: mirrors.begin(self._host, request, now), uuid, cancel) is not None:
            follow_mirror(self._world, self._host, request, progress, cancel, lambda: self._closed)

    def take_copy(self, request: DiskCopyRequest) -> None:
        """See Hypervisor.take_copy."""
        self._do("take_copy", lambda now: self._world.mirrors.take(self._host, request, now), request.uuid)

    def drop_copy(self, uuid: str, target: str) -> None:
        """See Hypervisor.drop_copy."""
        self._do("drop_copy", lambda _now: self._world.mirrors.drop(self._host, uuid, target), uuid)

    def name_disk(self, request: DiskCopyRequest) -> None:
        """See Hypervisor.name_disk."""
        self._do("name_disk", lambda _now: self._world.mirrors.name(self._host, request), request.uuid)

    def begin_backup(self, request: BackupRequest) -> bool:
        """See Hypervisor.begin_backup."""
        backups, uuid = self._world.backups, request.uuid
        self._do("thaw", lambda _now: backups.thaw(self._host, uuid), uuid)
        quiet = request.freeze and self._do("freeze", lambda _now: backups.freeze(self._host, uuid), uuid)
        try:
            begun = self._do("begin_backup", lambda now: backups.begin(self._host, request, now), uuid)
        finally:
            self._do("thaw", lambda _now: backups.thaw(self._host, uuid), uuid)
        return quiet and begun

    def follow_backup(self, uuid: str, *, progress: Progress | None, cancel: CancelToken | None) -> None:
        """See Hypervisor.follow_backup."""
        del progress
        while self._do("follow_backup", lambda now: self._world.backups.under_way(self._host, uuid, now), uuid):
            if cancel is not None and cancel.is_set():
                raise InterruptedByUser(cancel.reason or "cancelled")
            self._world.gate.sleep(STEP_SECONDS, cancel)
        if not self._world.backups.whole(self._host, uuid):
            raise ConflictError(f"the disks of {uuid} on host {self._host} were not copied whole", cause="the guest was ended")

    def end_backup(self, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.end_backup."""
        self._do("end_backup", lambda _now: self._world.backups.end(self._host, uuid, checkpoint), uuid)

    def forget_checkpoint(self, uuid: str, checkpoint: str) -> None:
        """See Hypervisor.forget_checkpoint."""
        self._do("forget_checkpoint", lambda _now: self._world.backups.forget(self._host, uuid, checkpoint), uuid)

    def baseline(self, cpus: Sequence[str]) -> str:
        """See Hypervisor.baseline."""
        return self._do("baseline", lambda _now: common_cpu(cpus))

    def close(self) -> None:
        """See Hypervisor.close; ends calls that hang."""
        self._closed = True
