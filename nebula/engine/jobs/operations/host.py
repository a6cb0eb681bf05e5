"""host.setup: connect, look, decide the virtualisation type, exchange keys with the peers. host.remove: take it back."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from nebula import typed
from nebula.engine.attachments import attached_to, export, is_exported, left_by
from nebula.engine.capacity import check_reserved, usable
from nebula.engine.home import whereabouts
from nebula.engine.identity import identity
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.lifecycle.states import UNFIT, HostState
from nebula.engine.machines.disks import image_spec
from nebula.engine.monitor.hardware import take_up
from nebula.engine.monitor.space import measure
from nebula.engine.peers import introduce, part
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, ImageCopyRow, ImageRow
from nebula.errors import ConflictError, InterruptedByUser, NebulaError, NotFoundError, TimedOutError, UnreachableError
from nebula.model.host import Finding, HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction

_PASSING = frozenset({UnreachableError.code, TimedOutError.code, InterruptedByUser.code})
"""Failures of a setup that say nothing of the host itself."""


def _connect(context: JobContext) -> None:
    """It answers, and lets us be root where that is needed: without it nothing later would work.

    By a new login: one that is open keeps the groups that its user had when it began.
    """
    transport = context.handle(context.job.target_id).transport
    transport.close()
    transport.run(["true"], root=True)


def _claim(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    if row.transport != "sim":
        from nebula.drivers.claim import claim

        services, take_over = context.services, bool(context.job.args.get("take_over"))
        claim(services.pool.handle(row), identity(services.store.read()), whereabouts(services.home), take_over=take_over)


def _is_ours(context: JobContext, row: HostRow) -> bool:
    """Whether what lies there is this engine's to take away."""
    from nebula.drivers.claim import require

    try:
        require(context.services.pool.handle(row), identity(context.services.store.read()))
    except ConflictError as error:
        context.log(f"nothing on {row.name} was touched: {error}", "warning")
        return False
    return True


def _look(context: JobContext) -> None:
    hypervisor = context.hypervisor(context.job.target_id)
    facts = hypervisor.facts()
    row = context.host_row(context.job.target_id)
    if not row.memory_total:  # the first look; one that lost memory since keeps its VMs
        check_reserved(row.name, facts.cpu_total, row.reserved_cpu, "cores")
        check_reserved(row.name, facts.memory_total_mib, row.reserved_memory, "memory")
    findings = hypervisor.preflight()
    context.save(host_facts=msgspec.to_builtins(facts), findings=[msgspec.to_builtins(item) for item in findings], virt="")


def _decide(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    virt = row.virt_asked if row.virt_asked in {"kvm", "qemu"} else _probed(context)
    context.save(virt=virt)


def _probed(context: JobContext) -> str:
    found = [typed.convert(item, Finding) for item in context.facts["findings"]]
    for finding in found:
        if finding.check == "virtualisation" and finding.text.startswith("qemu"):
            return "qemu"
    facts = typed.convert(context.facts["host_facts"], HostFacts)
    return "kvm" if "kvm" in facts.virt_types else "qemu"


def _keys(context: JobContext) -> None:
    introduce(context.services, context.host_row(context.job.target_id), context.log)


def _space(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    measure(context.services, row)
    take_up(context.services, row, context.services.pool.monitor(row).sample(context.handle(row.id), hardware=True))


def _attach(context: JobContext) -> None:
    """What cannot be reached now is reached when it is needed."""
    row = context.host_row(context.job.target_id)
    for datastore, driver in attached_to(context.services, row):
        try:
            if is_exported(datastore):
                export(context, datastore)
            driver.attach(context.handle(row.id))
        except InterruptedByUser:
            raise
        except NebulaError as error:
            context.log(f"{row.name} does not reach datastore {datastore.name}: {error}", "warning")


def _detach(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    for datastore, driver in left_by(context.services, row):
        with _unless_gone(context, row, f"what leads to datastore {datastore.name} stays there"):
            if _is_ours(context, row):
                driver.detach(context.handle(row.id))
        if is_exported(datastore):
            export(context, datastore, leaving=row.id)


def _baseline(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    wanted = [_cpu(other.body["facts"]) for other in _others(context, row.cluster_id)]
    if context.facts["virt"] == "kvm" and _cpu(context.facts["host_facts"]):
        wanted.append(_cpu(context.facts["host_facts"]))
    context.save(baseline=_common(context, row, wanted) if wanted else "")


def _others(context: JobContext, cluster_id: int) -> list[HostRow]:
    """The hosts of a cluster, but the job's own, that have a say in what its common CPU is."""
    where = '"cluster_id"=? AND "id"<>? ORDER BY "id"'
    rows = context.services.store.read().select(HostRow, where, (cluster_id, context.job.target_id))
    return [row for row in rows if row.virt == "kvm" and not row.body.get(UNFIT) and _cpu(row.body.get("facts", {}))]


def _left_baseline(context: JobContext) -> None:
    """The cluster that the host left may have more in common now. What it had is still right: where nobody can say, it
    stays.
    """
    left = context.job.args.get("left", 0)
    others = _others(context, left) if left else []
    found = _said_by(context, others) if others else ""
    if left and found is not None:
        context.services.store.write(lambda tx: _keep_baseline(tx, left, found))


def _said_by(context: JobContext, hosts: list[HostRow]) -> str | None:
    """The common CPU of the hosts, by the first of them that answers."""
    for host in hosts:
        if host.state not in {HostState.MONITORED, HostState.DISABLED}:
            continue
        try:
            return context.hypervisor(host.id).baseline([_cpu(other.body["facts"]) for other in hosts])
        except InterruptedByUser:
            raise
        except NebulaError as error:
            context.log(f"host {host.name} cannot say what CPU its cluster has in common now: {error}", "warning")
    return None


def _keep_baseline(tx: Transaction, cluster_id: int, baseline: str) -> None:
    row = tx.first(ClusterRow, '"id"=?', (cluster_id,))
    if row is not None and row.baseline != baseline:
        tx.swap(row, baseline=baseline)


def _cpu(facts: Mapping[str, Any]) -> str:
    return str(facts.get("cpu_xml", ""))


def _common(context: JobContext, row: HostRow, cpus: list[str]) -> str:
    """What all of them can run. A host that shares nothing with its cluster would break migrations there: ConflictError."""
    try:
        return context.hypervisor(row.id).baseline(cpus)
    except (UnreachableError, TimedOutError, InterruptedByUser):
        raise
    except NebulaError as error:
        raise _nothing_in_common(context, row, error) from error


def _nothing_in_common(context: JobContext, row: HostRow, error: NebulaError) -> ConflictError:
    cluster = context.services.store.read().get(ClusterRow, row.cluster_id)
    return ConflictError(
        f"host {row.name} has no CPU in common with the other hosts of cluster {cluster.name}",
        cause=error.cause or error.message,
        hint=f"nebula cluster create NAME, then: nebula host update {row.name} --cluster NAME",
    )


class Setup:
    """Ends in MONITORED; a host that cannot be used ends in ERROR and keeps what was found."""

    kind = "host.setup"
    steps = (
        Step("leave former cluster", _left_baseline, argument="left"),
        Step("connect", _connect),
        Step("claim", _claim),
        Step("look", _look),
        Step("decide virtualisation", _decide),
        Step("exchange keys", _keys),
        Step("cpu baseline", _baseline),
        Step("reach datastores", _attach),
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
        body = {**row.body, "facts": facts, "findings": job.facts["findings"], UNFIT: False}
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
        """ERROR, with the reason. One that answered and cannot be used stays so until it is set up anew."""
        row = transaction.first(HostRow, '"id"=?', (job.target_id,))
        if row is None:
            return
        text = f"{message}: {job.error.get('cause', '')}".rstrip(": ")
        body = {**row.body, UNFIT: job.error.get("code") not in _PASSING}
        transaction.swap(row, state=int(HostState.ERROR), error=text[:1000], body=body)
        transaction.event("host.state", "host", row.id, actor=job.actor, name=row.name, after="ERROR", error=text[:1000])


def _part(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    with _unless_gone(context, row, "its own keys stay"):
        part(context.services, row, context.log, here=row.transport == "sim" or _is_ours(context, row))


def _tidy(context: JobContext) -> None:
    row = context.host_row(context.job.target_id)
    if row.transport == "sim":
        return
    from nebula.drivers.claim import leave
    from nebula.drivers.leaving import tidy_root

    with _unless_gone(context, row, "empty directories stay"):
        if _is_ours(context, row):
            handle = context.services.pool.handle(row)
            leave(handle, identity(context.services.store.read()))
            tidy_root(handle)


def _remove_images(context: JobContext) -> None:
    """Its copies of images; those on shared storage are everybody's and stay."""
    row, read = context.host_row(context.job.target_id), context.services.store.read()
    with _unless_gone(context, row, "copies of images stay"):
        if row.transport != "sim" and not _is_ours(context, row):
            return
        for copy in read.select(ImageCopyRow, '"host_id"=?', (row.id,)):
            image = read.get(ImageRow, copy.image_id)
            driver = context.services.pool.datastore(read.get(DatastoreRow, image.datastore_id))
            driver.remove_image(context.handle(row.id), image_spec(image))
            context.services.store.write(partial(_forget_copy, copy))


def _forget_copy(copy: ImageCopyRow, tx: Transaction) -> None:
    tx.delete(copy)


@contextmanager
def _unless_gone(context: JobContext, row: HostRow, left: str) -> Iterator[None]:
    """A host that is removed by force need not answer: what is left on it is logged."""
    try:
        yield
    except UnreachableError as error:
        if not context.job.args.get("force"):
            raise
        context.log(f"{row.name} does not answer, {left} there: {error}", "warning")


class Remove:
    """The host's row goes when its keys are gone from its peers."""

    kind = "host.remove"
    steps = (
        Step("leave cluster", _left_baseline),
        Step("remove images", _remove_images),
        Step("leave datastores", _detach),
        Step("take keys back", _part),
        Step("take empty directories away", _tidy),
    )

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
        transaction.execute('DELETE FROM "hardware" WHERE "host_id"=?', (row.id,))
        transaction.execute('DELETE FROM "promised" WHERE "host_id"=?', (row.id,))
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
