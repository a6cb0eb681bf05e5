"""One look at a host: its sample, its domains, their statistics; then one transaction for all that changed."""

from __future__ import annotations

from collections.abc import Mapping

from nebula.engine.lifecycle.states import HostState
from nebula.engine.monitor.memory import Last, Recent
from nebula.engine.monitor.rates import domain_cpu, host_cpu
from nebula.engine.monitor.reconcile import silent, whole_host
from nebula.engine.monitor.space import measure
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError
from nebula.model.domain import DomainReality, DomainState, DomainStats
from nebula.model.host import HostSample


class Look:
    """What one look at a host found; `error` if it did not answer."""

    def __init__(self) -> None:
        self.sample: HostSample | None = None
        self.domains: dict[str, DomainReality] = {}
        self.stats: dict[str, DomainStats] = {}
        self.error = ""
        self.asked = 0.0
        """When the question was put, seconds since the epoch."""


def look(services: Services, host: HostRow) -> Look:
    """Ask the host; never raises for a host that does not answer."""
    found = Look()
    found.asked = services.clock.now()
    try:
        found.sample = services.pool.monitor(host).sample(services.pool.handle(host))
        hypervisor = services.pool.hypervisor(host)
        found.domains = {reality.uuid: reality for reality in hypervisor.domains()}
        found.stats = {stats.uuid: stats for stats in hypervisor.statistics()}
    except NebulaError as error:
        found.error = str(error)
    return found


def sample_host(services: Services, host: HostRow, recent: Recent | None = None) -> bool:
    """Look and take up what was seen; True if the host answered."""
    found = look(services, host)
    if found.error:
        return False
    record(services, host, found, recent or Recent(), {})
    return True


def record(services: Services, host: HostRow, found: Look, recent: Recent, elsewhere: Mapping[str, str]) -> None:
    """Rates into memory; states, and figures that changed, into the database."""
    now = services.clock.monotonic()
    before = recent.domains(host.id, Last(now, found.stats))
    cpu = -1
    if found.sample is not None:
        previous = recent.host(host.id, found.sample)
        cpu = host_cpu(previous, found.sample, host.cpu_total) if previous else -1
    used = {
        uuid: (domain_cpu(before.stats[uuid], stats, now - before.at) if before and uuid in before.stats else -1, stats)
        for uuid, stats in found.stats.items()
    }
    figures = recent.figures_due(host.id, now, busy=bool(found.stats))
    services.store.write(lambda tx: _write(tx, host.id, found, cpu, used, elsewhere, figures=figures))
    if figures:
        measure(services, host)


def _write(
    tx: Transaction,
    host_id: int,
    found: Look,
    cpu: int,
    used: Mapping[str, tuple[int, DomainStats]],
    elsewhere: Mapping[str, str],
    *,
    figures: bool,
) -> None:
    host = tx.get(HostRow, host_id)
    _answers(tx, host)
    whole_host(tx, host, found.domains, elsewhere, found.asked)
    if not figures:
        return
    _host_figures(tx, host, found.sample, cpu)
    for vm in tx.select(VmRow, '"host_id"=? AND "state"<>6', (host_id,)):
        seen = used.get(vm.uuid)
        if seen is None:
            continue
        now_cpu, stats = seen
        memory = stats.memory_used_kib >> 10
        if stats.state is DomainState.RUNNING and (vm.cpu_used, vm.memory_used) != (now_cpu, memory):
            tx.execute('UPDATE "vm" SET "cpu_used"=?, "memory_used"=? WHERE "id"=?', (now_cpu, memory, vm.id))


def _host_figures(tx: Transaction, host: HostRow, sample: HostSample | None, cpu: int) -> None:
    if sample is None:
        return
    memory = sample.memory_total_mib - sample.memory_free_mib
    tx.execute(
        'UPDATE "host" SET "cpu_used"=?, "memory_used"=?, "monitored"=? WHERE "id"=?', (cpu, memory, sample.taken, host.id)
    )


def _answers(tx: Transaction, host: HostRow) -> None:
    """A host that was in ERROR is back."""
    if host.state in {HostState.ERROR, HostState.INIT} and host.body.get("facts"):
        state = host.wanted or int(HostState.MONITORED)
        tx.swap(host, state=state, error="")
        tx.event("host.state", "host", host.id, name=host.name, after=HostState(state).name)


def failed(tx: Transaction, host_id: int, error: str) -> None:
    """The host did not answer often enough: ERROR, and its VMs are UNKNOWN."""
    host = tx.get(HostRow, host_id)
    if host.state not in {HostState.ERROR, HostState.OFFLINE}:
        tx.swap(host, state=int(HostState.ERROR), error=error[:1000])
        tx.event("host.state", "host", host.id, name=host.name, after="ERROR", error=error[:1000])
    silent(tx, host, error)
