"""Domains that nobody told us about: listed, taken under management, let go of. Nothing is changed on their host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

from nebula.engine.api.values import Detail
from nebula.engine.jobs.operations.common import begin_stay
from nebula.engine.lifecycle.moves import guard
from nebula.engine.lifecycle.observed import Seen, interpret
from nebula.engine.lifecycle.states import HostState, Place
from nebula.engine.lifecycle.table import POWEROFF, RUNNING, SUSPENDED, Transition
from nebula.engine.machines.machine import Adopted, Machine, body_of, machine_of
from nebula.engine.services import Services
from nebula.engine.store.rows import DatastoreRow, HostRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import ConflictError, NotFoundError, UsageError
from nebula.model.domain import DomainReality
from nebula.model.found import FoundDomain
from nebula.names import near

_PLACES = {"seen-running": RUNNING, "seen-off": POWEROFF, "seen-paused": SUSPENDED}
_VERBS = frozenset(
    {"poweroff", "resume", "suspend", "reboot", "migrate-live", "terminate", "disown", "unresched"}
    | {"recover-delete", "recover-delete-db", "recover-success", "recover-failure", "recover-retry"}
)
"""The table's verbs that need nothing of a VM but its domain."""
_LIVE = '"uuid"=? AND "state"<>6'


def foreign(services: Services, host: HostRow) -> list[Detail]:
    """See Hosts.domains."""
    require_answering(host)
    hypervisor, queries = services.pool.hypervisor(host), services.store.read()
    found: list[Detail] = []
    for item in _foreign(queries, hypervisor.domains()):
        try:
            domain = hypervisor.inspect(item.uuid)
        except NotFoundError:  # it went meanwhile
            continue
        found.append(Detail(kind="domain", id=0, name=domain.name, body=shown(domain)))
    return sorted(found, key=lambda detail: detail.name)


def shown(found: FoundDomain) -> dict[str, Any]:
    """The domain for people."""
    body: dict[str, Any] = msgspec.to_builtins(found)
    place = place_of_found(found)
    facts = {key: body[key] for key in ("name", "uuid", "memory_mib", "vcpus", "disks", "cards")}
    return {**facts, "state": place.name if place else str(found.state), "refused": obstacle(found)}


def find(services: Services, host: HostRow, ref: str) -> FoundDomain:
    """The domain of that name or UUID on the host, read now; NotFoundError, or ConflictError for one that is a VM of ours
    or cannot be adopted.
    """
    require_answering(host)
    hypervisor, queries = services.pool.hypervisor(host), services.store.read()
    domains = hypervisor.domains()
    item = next((domain for domain in domains if ref in {domain.uuid, domain.name}), None)
    if item is None:
        close = near(ref, [domain.name for domain in _foreign(queries, domains)])
        raise NotFoundError(
            f"host {host.name} has no domain {ref[:80]!r}",
            hint=f"did you mean {', '.join(close)}?" if close else f"nebula host import {host.name}",
        )
    _require_foreign(queries, item)
    found = hypervisor.inspect(item.uuid)
    why = obstacle(found)
    if why:
        raise ConflictError(
            f"domain {found.name} on host {host.name} cannot be adopted", cause=why, hint=f"nebula host import {host.name}"
        )
    return found


def adopt(tx: Transaction, host: HostRow, found: FoundDomain, name: str, belongs: Mapping[str, Any], spare_uuid: str) -> VmRow:
    """The VM's row: on its host, in the state that was seen. `spare_uuid`: for the row of a VM that is gone and had this
    UUID.
    """
    require_answering(host)
    _require_foreign(tx, found)
    former = tx.first(VmRow, '"uuid"=?', (found.uuid,))
    if former is not None:
        tx.swap(former, uuid=spare_uuid)
    place = place_of_found(found) or POWEROFF
    template: dict[str, Any] = {"NAME": name, "CPU": str(found.vcpus), "VCPU": found.vcpus, "MEMORY": found.memory_mib}
    if found.description:
        template["DESCRIPTION"] = found.description[:4096]
    adopted = Adopted(
        domain=found.name, disks=list(found.disks), cards=list(found.cards), graphics=found.graphics
    )  # fmt: skip
    vm = tx.insert(
        VmRow(
            name=name,
            uuid=found.uuid,
            **belongs,
            state=int(place.state),
            lcm_state=int(place.lcm),
            host_id=host.id,
            cluster_id=host.cluster_id,
            cpu=found.vcpus * 100,
            vcpus=found.vcpus,
            memory=found.memory_mib,
            created=tx.now,
            since=tx.now,
            reason=_seen(found).reason,
            body=body_of(Machine(template=template, adopted=adopted)),
        )
    )
    begin_stay(tx, vm, host, "adopt", str(belongs.get("owner", "")))
    return vm


def place_of_found(found: FoundDomain) -> Place | None:
    """Where a VM stands whose domain is like this; None while it is between two."""
    return _PLACES.get(_seen(found).verb)


def _seen(found: FoundDomain) -> Seen:
    return interpret(
        DomainReality(
            uuid=found.uuid,
            name=found.name,
            state=found.state,
            reason=found.reason,
            incoming=found.incoming,
            saved=found.saved,
        )
    )


def obstacle(found: FoundDomain) -> str:
    """Why it cannot be adopted now; "" if it can."""
    if found.incoming or place_of_found(found) is None:
        return "a migration into the host is under way"
    if not found.persistent:
        return f"it is transient and gone when it stops: virsh dumpxml {found.name} > x.xml; virsh define x.xml"
    return ""


def _foreign(queries: Queries, domains: list[DomainReality]) -> list[DomainReality]:
    ours = {str(row[0]) for row in queries.rows('SELECT "uuid" FROM "vm" WHERE "state"<>6')}
    return [domain for domain in domains if domain.uuid not in ours]


def _require_foreign(queries: Queries, domain: DomainReality | FoundDomain) -> None:
    vm = queries.first(VmRow, _LIVE, (domain.uuid,))
    if vm is not None:
        raise ConflictError(f"domain {domain.name} is VM {vm.name} ({vm.id}) already", hint=f"nebula vm show {vm.id}")


def require_answering(host: HostRow) -> None:
    """ConflictError for a host that cannot be asked."""
    if host.state not in {HostState.MONITORED, HostState.DISABLED}:
        raise ConflictError(
            f"host {host.name} is {HostState(host.state).name}: its domains cannot be looked at",
            cause=host.error,
            hint=f"nebula host check {host.name}",
        )


def require_new(template: Mapping[str, Any]) -> None:
    """UsageError for a template that means a domain which exists: a new VM would have its name and nothing else of it."""
    if template.get("ADOPT"):
        raise UsageError(
            "ADOPT takes up a domain and makes no VM",
            cause="the template is that of an adopted VM",
            hint="nebula vm adopt HOST DOMAIN, or nebula apply -f FILE",
        )


def require_adopted(vm: VmRow) -> None:
    """ConflictError for a VM that we made: its disks and cards are ours."""
    if machine_of(vm).adopted is None:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) was made by nebula and cannot be disowned",
            cause="its disks are in a datastore of nebula's",
            hint=f"nebula vm terminate {vm.id}",
        )


def require_ours(vm: VmRow) -> None:
    """ConflictError for a VM that was adopted: there is nothing to make it of again."""
    if machine_of(vm).adopted is not None:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) was adopted and cannot be made anew",
            cause="nobody told nebula what it is made of",
            hint=f"nebula vm recover {vm.id} --delete-db, then nebula vm adopt",
        )


def require_verb(vm: VmRow, verb: str) -> None:
    """ConflictError for a verb that would change what an adopted VM is made of, which its own definition says."""
    adopted = machine_of(vm).adopted if vm.body.get("adopted") else None
    if adopted is not None and verb not in _VERBS:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) was adopted: {verb} is not possible",
            cause=f"its domain {adopted.domain} is as somebody else made it, and stays so",
            hint=f"virsh edit {adopted.domain}   (on its host)",
        )


def require_travel(queries: Queries, services: Services, vm: VmRow, *, live: bool) -> None:
    """ConflictError for an adopted VM that cannot be moved so: alive, and where all hosts see its disks, it can."""
    adopted = machine_of(vm).adopted
    if adopted is None:
        return
    stores = [
        row
        for row in queries.select(DatastoreRow, '"type"<>?', ("backup",))
        if services.pool.datastore(row).capabilities.shared
    ]
    seen = [PurePosixPath(path) for row in stores if (path := row.body.get("settings", {}).get("path"))]
    bound = [
        disk.path
        for disk in adopted.disks
        if disk.path and disk.type != "network" and not any(PurePosixPath(disk.path).is_relative_to(path) for path in seen)
    ]
    if bound:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot leave its host",
            cause=f"it was adopted, and not all hosts see its disks: {', '.join(bound)} is in no shared datastore",
            hint="nebula datastore list driver=shared",
        )
    if not live:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) can only be migrated live",
            cause="it was adopted, and its definition goes along with a live migration only",
            hint=f"nebula vm migrate {vm.id} --live   (while it runs)",
        )


def guard_ours(vm: VmRow, verb: str) -> Transition:
    """The row for a verb that changes what a VM is made of; see `guard`, and `require_verb`."""
    require_verb(vm, verb)
    return guard(vm, verb)


def require_context(vm: VmRow) -> None:
    """ConflictError for a VM that was adopted: it has no context CD."""
    if machine_of(vm).adopted is not None:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) was adopted and has no context", cause="its domain is as somebody else made it",
            hint=f"nebula vm ssh {vm.id}, and change it inside",
        )  # fmt: skip
