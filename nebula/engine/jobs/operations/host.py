"""host.setup: connect, look, decide the virtualisation type, exchange keys with the peers. host.remove: take it back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.engine.capacity import usable
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.lifecycle.states import HostState
from nebula.engine.monitor.space import measure
from nebula.engine.peers import introduce, part
from nebula.engine.store.rows import ClusterRow, HostRow
from nebula.errors import NotFoundError, UnreachableError
from nebula.model.host import Finding, HostFacts

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _connect(context: JobContext) -> None:
    context.handle(context.job.target_id).transport.run(["true"])


def _look(context: JobContext) -> None:
    hypervisor = context.hypervisor(context.job.target_id)
    facts = hypervisor.facts()
    findings = hypervisor.preflight()
    context.save(host_facts=msgspec.to_builtins(facts), findings=[msgspec.to_builtins(item) for item in findings], virt="")


def _decide(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    virt = row.virt_asked if row.virt_asked in {"kvm", "qemu"} else _probed(context)
    context.save(virt=virt)


def _probed(context: JobContext) -> str:
    found = [msgspec.convert(item, Finding) for item in context.facts["findings"]]
    for finding in found:
        if finding.check == "virtualisation" and finding.text.startswith("qemu"):
            return "qemu"
    facts = msgspec.convert(context.facts["host_facts"], HostFacts)
    return "kvm" if "kvm" in facts.virt_types else "qemu"


def _keys(context: JobContext) -> None:
    introduce(context.services, context.host_row(context.job.target_id), context.log)


def _space(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    measure(context.services, row)


def _baseline(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    others = context.services.store.read().select(HostRow, '"cluster_id"=? AND "id"<>?', (row.cluster_id, row.id))
    cpus = [other.body.get("facts", {}).get("cpu_xml", "") for other in others if other.virt == "kvm"]
    if context.facts["virt"] == "kvm":
        cpus.append(context.facts["host_facts"].get("cpu_xml", ""))
    wanted = [cpu for cpu in cpus if cpu]
    context.save(baseline=context.hypervisor(row.id).baseline(wanted) if wanted else "")


class Setup:
    """Ends in MONITORED; a host that cannot be used ends in ERROR and keeps what was found."""

    kind = "host.setup"
    steps = (
        Step("connect", _connect),
        Step("look", _look),
        Step("decide virtualisation", _decide),
        Step("exchange keys", _keys),
        Step("cpu baseline", _baseline),
        Step("measure space", _space),
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time: keys and baselines concern all hosts."""
        return (Lock(f"host:{job.target_id}", 1), Lock("peers", 1))

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Facts, capacity, state, the cluster's baseline."""
        row = transaction.get(HostRow, job.target_id)
        facts: dict[str, Any] = job.facts["host_facts"]
        cpu, memory = facts["cpu_total"], facts["memory_total_mib"]
        body = {**row.body, "facts": facts, "findings": job.facts["findings"]}
        state = row.wanted or int(HostState.MONITORED)
        transaction.swap(
            row,
            state=state,
            virt=job.facts["virt"],
            cpu_total=cpu,
            memory_total=memory,
            cpu_max=usable(cpu, row.reserved_cpu, "cores"),
            memory_max=usable(memory, row.reserved_memory, "memory"),
            error="",
            body=body,
            monitored=transaction.now,
        )
        transaction.swap(transaction.get(ClusterRow, row.cluster_id), baseline=job.facts.get("baseline", ""))
        transaction.event("host.state", "host", row.id, actor=job.actor, name=row.name, after=HostState(state).name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """ERROR, with the reason."""
        row = transaction.first(HostRow, '"id"=?', (job.target_id,))
        if row is None:
            return
        text = f"{message}: {job.error.get('cause', '')}".rstrip(": ")
        transaction.swap(row, state=int(HostState.ERROR), error=text[:1000])
        transaction.event("host.state", "host", row.id, actor=job.actor, name=row.name, after="ERROR", error=text[:1000])


def _part(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    try:
        part(context.services, row, context.log)
    except UnreachableError as error:
        if not context.job.args.get("force"):
            raise
        context.log(f"{row.name} does not answer, its own keys stay there: {error}", "warning")


class Remove:
    """The host's row goes when its keys are gone from its peers."""

    kind = "host.remove"
    steps = (Step("take keys back", _part),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time, as for setup."""
        return (Lock(f"host:{job.target_id}", 1), Lock("peers", 1))

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Gone."""
        try:
            row = transaction.get(HostRow, job.target_id)
        except NotFoundError:
            return
        transaction.execute('DELETE FROM "image_copy" WHERE "host_id"=?', (row.id,))
        transaction.delete(row)
        transaction.event("host.removed", "host", row.id, actor=job.actor, name=row.name)
        transaction.after_commit(lambda: _let_go(services, row.id))

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """It stays, OFFLINE."""
        row = transaction.first(HostRow, '"id"=?', (job.target_id,))
        if row is None:
            return
        transaction.swap(row, error=message[:1000])


def _let_go(services: Services, host_id: int) -> None:
    """On a thread of its own: closing a dead host's connection takes its time, and the writer has none."""
    threading.Thread(target=services.pool.forget, args=(host_id,), name=f"nebula-forget-{host_id}", daemon=True).start()


SETUP = Setup()
REMOVE = Remove()
