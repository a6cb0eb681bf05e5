"""One look at a host: its sample, its domains, their statistics; then a transaction for what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nebula.engine.lifecycle.states import UNFIT, HostState
from nebula.engine.metrics import rates
from nebula.engine.metrics.kinds import Row, place
from nebula.engine.metrics.recent import RecentFigures
from nebula.engine.monitor.booked import Booked, booked
from nebula.engine.monitor.hardware import take_up as take_up_hardware
from nebula.engine.monitor.memory import Last, Recent
from nebula.engine.monitor.reconcile import news, silent, take_up
from nebula.engine.monitor.space import measure
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError
from nebula.model.domain import DomainReality, DomainState, DomainStats
from nebula.model.host import HostSample

_VM_CPU, _HOST_CPU = place("vm", "cpu"), place("host", "cpu")


class Look:
    """What one look at a host found; `error` if it did not answer."""

    def __init__(self) -> None:
        self.sample: HostSample | None = None
        self.domains: dict[str, DomainReality] = {}
        self.stats: dict[str, DomainStats] = {}
        self.error = ""
        self.asked = 0.0
        """When the question was put, seconds since the epoch."""
        self.counted = 0.0
        """When the domains' counters were read, monotonic seconds: a look may last, and rates are by the time in between."""


def look(services: Services, host: HostRow, *, hardware: bool = False) -> Look:
    """Ask the host; never raises for a host that does not answer. `hardware`: also for what changes seldom."""
    found = Look()
    found.asked = services.clock.now()
    try:
        found.sample = services.pool.monitor(host).sample(services.pool.handle(host), hardware=hardware)
        hypervisor = services.pool.hypervisor(host)
        found.domains = {reality.uuid: reality for reality in hypervisor.domains()}
        before = services.clock.monotonic()
        found.stats = {stats.uuid: stats for stats in hypervisor.statistics()}
        found.counted = (before + services.clock.monotonic()) / 2
    except NebulaError as error:
        found.error = str(error)
    return found


def sample_host(services: Services, host: HostRow) -> bool:
    """Look and take up what was seen; True if the host answered."""
    found = look(services, host, hardware=True)
    if found.error:
        return False
    record(services, host, found, Recent(), booked(services, host), lambda _uuid: "")
    return True


def record(
    services: Services,
    host: HostRow,
    found: Look,
    recent: Recent,
    mine: Mapping[str, Booked],
    elsewhere: Callable[[str], str],
    figures: RecentFigures | None = None,
) -> None:
    """Rates into memory; states, and figures that changed, into the database. Nothing is written where nothing is news.

    `mine`: its VMs, read after it answered. `elsewhere` names another host that runs a domain, "" for none.
    """
    now = services.clock.monotonic()
    measured = _domains(found, recent.domains(host.id, Last(found.counted, found.stats)))
    own = _own(host, found.sample, recent)
    if figures is not None:
        rows = [("vm", mine[uuid].id, row) for uuid, row in measured.items() if uuid in mine]
        figures.add(found.asked, [*rows, *([("host", host.id, own)] if own else [])])
    differ = _differing(found, mine, elsewhere)
    if found.sample is not None:
        take_up_hardware(services, host, found.sample)
    if differ or _is_back(host):
        services.store.write(lambda tx: _write_states(tx, host.id, found, differ))
    if recent.figures_due(host.id, now, busy=bool(found.stats)):
        cpu, used = round(own[_HOST_CPU]) if own else -1, _used(found.stats, measured, mine)
        services.store.write(lambda tx: _write_figures(tx, host.id, found.sample, cpu, used))
        measure(services, host)


def _domains(found: Look, before: Last | None) -> dict[str, Row]:
    """UUID -> figures, of domains that ran at the last look, too."""
    if before is None:
        return {}
    both = [(uuid, before.stats[uuid], stats) for uuid, stats in found.stats.items() if uuid in before.stats]
    pairs = ((uuid, rates.domain(then, stats, found.counted - before.at)) for uuid, then, stats in both)
    return {uuid: row for uuid, row in pairs if row is not None}


def _own(host: HostRow, sample: HostSample | None, recent: Recent) -> Row | None:
    if sample is None:
        return None
    previous = recent.host(host.id, sample)
    return rates.host(previous, sample, host.cpu_total) if previous else None


def _differing(found: Look, mine: Mapping[str, Booked], elsewhere: Callable[[str], str]) -> dict[int, str]:
    """Ids of the VMs of which the host says something new, and which other host runs them."""
    differ: dict[int, str] = {}
    for vm in mine.values():
        other = elsewhere(vm.uuid)
        if news(vm, found.domains.get(vm.uuid), asked=found.asked, elsewhere=other) is not None:
            differ[vm.id] = other
    return differ


def _write_states(tx: Transaction, host_id: int, found: Look, differ: Mapping[int, str]) -> None:
    _answers(tx, tx.get(HostRow, host_id))
    for vm_id, other in differ.items():
        vm = tx.first(VmRow, '"id"=? AND "host_id"=?', (vm_id, host_id))
        if vm is not None:
            take_up(tx, vm, found.domains.get(vm.uuid), asked=found.asked, elsewhere=other)


def _used(
    stats: Mapping[str, DomainStats], measured: Mapping[str, Row], mine: Mapping[str, Booked]
) -> list[tuple[int, int, int]]:
    """(hundredths of a core, MiB, VM's id) of those that run, where they changed."""
    changed: list[tuple[int, int, int]] = []
    for uuid, seen in stats.items():
        vm = mine.get(uuid)
        if vm is None or seen.state is not DomainState.RUNNING:
            continue
        row = measured.get(uuid)
        cpu, memory = round(row[_VM_CPU]) if row else -1, seen.memory_used_kib >> 10
        if (vm.cpu_used, vm.memory_used) != (cpu, memory):
            changed.append((cpu, memory, vm.id))
    return changed


def _write_figures(
    tx: Transaction, host_id: int, sample: HostSample | None, cpu: int, used: Sequence[tuple[int, int, int]]
) -> None:
    _host_figures(tx, tx.get(HostRow, host_id), sample, cpu)
    for figures in used:
        tx.execute('UPDATE "vm" SET "cpu_used"=?, "memory_used"=? WHERE "id"=?', figures)


def _host_figures(tx: Transaction, host: HostRow, sample: HostSample | None, cpu: int) -> None:
    if sample is None:
        return
    memory = sample.memory_total_mib - sample.memory_free_mib
    tx.execute(
        'UPDATE "host" SET "cpu_used"=?, "memory_used"=?, "monitored"=? WHERE "id"=?', (cpu, memory, sample.taken, host.id)
    )


def _is_back(host: HostRow) -> bool:
    """It was in ERROR, and answers. That is not enough for one that was found unfit."""
    known = bool(host.body.get("facts")) and not host.body.get(UNFIT)
    return host.state in {HostState.ERROR, HostState.INIT} and known


def _answers(tx: Transaction, host: HostRow) -> None:
    if _is_back(host):
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
