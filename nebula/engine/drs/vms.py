"""VMs as the planner sees them: what they will use, what a move copies, why they stay, where they may go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import hypot
from statistics import fmean, pstdev

from nebula.engine.drs.outlook import Expected
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsVm, Figures
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.machines.migration import stays, threaded
from nebula.engine.machines.template import yes
from nebula.engine.store.rows import HistoryRow, VmRow
from nebula.engine.store.transaction import Queries


def _stays(queries: Queries, since: float) -> dict[int, list[HistoryRow]]:
    """VM id -> its stays that began or ended lately, oldest first."""
    rows = queries.select(HistoryRow, '"started">=? OR "ended">=? ORDER BY "vm_id", "seq"', (since, since))
    found: dict[int, list[HistoryRow]] = {}
    for row in rows:
        found.setdefault(row.vm_id, []).append(row)
    return found


class VmViews:
    """VMs of one cluster at one moment. `expected`: of those that were measured; `allowed`: hosts of those that may not be
    everywhere; `shared`: datastores that all hosts see; `deadly`: whether a host's hypervisor
    dies when disks with I/O threads are copied to it; `past`: MiB/s that VMs' own migrations got.
    """

    def __init__(
        self,
        queries: Queries,
        policy: DrsPolicy,
        now: float,
        *,
        expected: Mapping[int, Expected],
        alike: Mapping[int, Expected],
        allowed: Mapping[int, tuple[int, ...]],
        shared: Collection[int],
        deadly: Mapping[int, bool],
        past: Mapping[int, float],
    ) -> None:
        self._policy, self._now = policy, now
        self._expected, self._alike, self._allowed, self._shared = expected, alike, allowed, shared
        self._deadly, self._past = deadly, past
        self._stays = _stays(queries, now - max(policy.cooldown, policy.no_return))

    def of(self, row: VmRow) -> DrsVm:
        """One VM."""
        machine, lately = machine_of(row), self._stays.get(row.id, [])
        known = self._expected.get(row.id) or self._alike.get(row.id) or _promised(row)
        return DrsVm(
            id=row.id,
            name=row.name,
            host_id=row.host_id,
            cpu=row.cpu,
            memory=row.memory,
            mean=known.mean,
            spread=known.spread,
            copy_mib=max(1.0, known.mean.memory) + _disks_to_copy(machine, self._shared),
            past_mib=self._past.get(row.id, 0.0),
            fixed=self._fixed(row, machine, lately),
            bound=stays(machine, self._shared.__contains__),
            allowed=self._admitted(row, machine),
            left=_left(row, lately, self._now - self._policy.no_return),
            history=known.history,
        )

    def _admitted(self, row: VmRow, machine: Machine) -> tuple[int, ...] | None:
        """Where it may be: without the hosts that would not survive its coming."""
        allowed = self._allowed.get(row.id)
        if not any(self._deadly.values()) or threaded(machine, self._shared.__contains__) is None:
            return allowed
        return tuple(host for host, dies in self._deadly.items() if not dies and (allowed is None or host in allowed))

    def _fixed(self, row: VmRow, machine: Machine, lately: Sequence[HistoryRow]) -> str:
        """Why it stays where it is."""
        if place_of(row) != RUNNING:
            return f"it is {place_of(row).name}"
        if row.job_id:
            return f"job {row.job_id} is under way"
        if machine.adopted is not None:
            return "it was adopted, and its disks are in no datastore"
        if "DRS" in machine.template and not yes(machine.template, "DRS"):
            return "its template says DRS=NO"
        if row.id not in self._expected:
            return "it was not measured yet"
        came = max((stay.started for stay in lately if not stay.ended and stay.action == "live-migrate"), default=0.0)
        if came > self._now - self._policy.cooldown:
            return f"it came {(self._now - came) / 60:.0f} minutes ago"
        return ""


def siblings(vms: Sequence[VmRow], expected: Mapping[int, Expected]) -> dict[int, Expected]:
    """What running VMs of which nothing is known will use: what those of the same owner, image and size do, on average."""
    groups: dict[tuple[object, ...], list[Expected]] = {}
    for vm in vms:
        if vm.id in expected:
            groups.setdefault(_kind(vm), []).append(expected[vm.id])
    new = [vm for vm in vms if vm.id not in expected and place_of(vm) == RUNNING and _kind(vm) in groups]
    return {vm.id: _average(groups[_kind(vm)]) for vm in new}


def _kind(vm: VmRow) -> tuple[object, ...]:
    disks = vm.body.get("disks") or [{}]
    return (vm.owner, disks[0].get("image_id"), vm.vcpus, vm.memory)


def _average(known: Sequence[Expected]) -> Expected:
    """The mean of their means; the spread covers theirs and how they differ from each other."""
    means = [fmean(column) for column in zip(*(item.mean for item in known), strict=True)]
    apart = [pstdev(column) for column in zip(*(item.mean for item in known), strict=True)]
    own = [fmean(column) for column in zip(*(item.spread for item in known), strict=True)]
    return Expected(Figures(*means), Figures(*(hypot(one, other) for one, other in zip(apart, own, strict=True))))


def _promised(row: VmRow) -> Expected:
    """Of a VM that was not measured yet: half of what it was promised; off: nothing."""
    if place_of(row) != RUNNING:
        return Expected(Figures(), Figures())
    return Expected(Figures(row.cpu / 2, float(row.memory)), Figures(row.cpu / 4, 0.0))


def _disks_to_copy(machine: Machine, shared: Collection[int]) -> float:
    """MiB of disks that only their host has."""
    sizes = (disk.size for disk in machine.disks if disk.datastore_id not in shared and disk.kind != "cdrom")
    return sum(sizes) / (1 << 20)


def _left(row: VmRow, lately: Sequence[HistoryRow], since: float) -> tuple[int, ...]:
    return tuple(sorted({stay.host_id for stay in lately if stay.ended >= since and stay.host_id != row.host_id}))
