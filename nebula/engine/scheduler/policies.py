"""The policies: which of the hosts that can take a VM should. Each gives an order of hosts, the best first, and words.

A policy is a function from a room to its place in the order (the lowest is the best) and a line in POLICIES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nebula.attributes import single
from nebula.engine.scheduler.room import Room
from nebula.engine.scheduler.values import ClusterView, VmView
from nebula.engine.scheduler.wishes import RANKS, rank_of
from nebula.errors import UsageError

POLICY = "SCHED_POLICY"
PRIORITY = "PRIORITY"
_SPREADS = frozenset({"striping", "load-aware"})
_NUMBERS = ("packing", "striping", "load-aware", "custom", "fixed")
"""OpenNebula's numbers."""
UNMEASURED = 0.5
"""What a VM will use of the CPU that it was promised, until somebody measured it."""


class Means(NamedTuple):
    """What a VM of the plan needs on average: hosts are compared with such a VM on them, as they differ in size."""

    cpu: float
    memory: float


class Policy(NamedTuple):
    """A policy with its expression, if it has one. Equal ones give the same order."""

    name: str
    rank: str = ""

    @property
    def spreads(self) -> bool:
        """Whether it keeps the hottest host cool."""
        return self.name in _SPREADS and not self.rank

    def key(self, room: Room, means: Means) -> tuple[float, ...]:
        """The room's place in the order."""
        if self.rank:
            return -rank_of(self.rank, room), promised(room, means)
        return POLICIES[self.name](room, means)

    def reason(self, room: Room) -> str:
        """Why this host, in words, with the VM already on it."""
        what = self.figures(room)
        if self.rank:
            return f"{what}, the highest of the hosts that can take it"
        if self.name == "fixed":
            return f"fixed: {what}, the highest of the hosts that can take it"
        return f"{_BEST[self.name]} ({what})"

    def figures(self, room: Room) -> str:
        """What the policy goes by, on this host."""
        if self.rank:
            return f"{RANKS[0]} {rank_of(self.rank, room)}"
        if self.name == "fixed":
            return f"{PRIORITY} {room.host.priority:g}"
        return _load_words(room) if self.name == "load-aware" else _promised_words(room)


def promised(room: Room, means: Means) -> float:
    """The share of the host that is promised, of what is scarcer there."""
    cpu = (room.cpu_max - room.cpu + means.cpu) / room.cpu_max
    memory = (room.memory_max - room.memory + means.memory) / room.memory_max
    return max(memory, cpu)


def load(room: Room) -> tuple[float, float]:
    """The measured shares of CPU and memory in use, with what the VMs of the plan will add; what is promised where nothing
    was measured.
    """
    host = room.host
    cpu, memory = UNMEASURED * (room.cpu_max - room.cpu) / room.cpu_max, (room.memory_max - room.memory) / room.memory_max
    if host.cpu_used >= 0 and host.cpu_total > 0:
        cpu = (host.cpu_used + UNMEASURED * (host.cpu_free - room.cpu)) / host.cpu_total
    if host.memory_used >= 0 and host.memory_total > 0:
        memory = (host.memory_used + host.memory_free - room.memory) / host.memory_total
    return cpu, memory


def _striping(room: Room, means: Means) -> tuple[float, ...]:
    return (promised(room, means),)


def _packing(room: Room, means: Means) -> tuple[float, ...]:
    return not room.vms, -promised(room, means)


def _load_aware(room: Room, means: Means) -> tuple[float, ...]:
    cpu, memory = load(room)
    size = room.host.cpu_total or room.cpu_max, room.host.memory_total or room.memory_max
    return (max(cpu + UNMEASURED * means.cpu / size[0], memory + means.memory / size[1]),)


def _fixed(room: Room, means: Means) -> tuple[float, ...]:
    return -room.host.priority, promised(room, means)


POLICIES: Mapping[str, Callable[[Room, Means], tuple[float, ...]]] = {
    "packing": _packing,
    "striping": _striping,
    "load-aware": _load_aware,
    "custom": _striping,
    "fixed": _fixed,
}
"""custom is what its rank says; without one it is striping."""


def _promised_words(room: Room) -> str:
    cpu, memory = 1 - room.cpu / room.cpu_max, 1 - room.memory / room.memory_max
    return f"CPU {cpu:.0%}, memory {memory:.0%} promised"


def _load_words(room: Room) -> str:
    cpu, memory = load(room)
    how = "in use and expected" if room.host.cpu_used >= 0 else "expected, not measured yet"
    return f"CPU {cpu:.0%}, memory {memory:.0%} {how}"


_BEST: Mapping[str, str] = {
    "packing": "packing: the fullest host that can take it",
    "striping": "striping: the least promised host that can take it",
    "load-aware": "load-aware: the least loaded host that can take it",
    "custom": f"custom without {RANKS[0]}: the least promised host that can take it",
}


def policy_for(vm: VmView, cluster: ClusterView | None) -> Policy:
    """The VM's rank wins, then its own policy, then its cluster's."""
    if vm.rank:
        return Policy("custom", vm.rank)
    name = vm.policy or (cluster.policy if cluster else "striping")
    return Policy(name, cluster.rank if cluster and name == "custom" else "")


def policy_named(attributes: Mapping[str, Any]) -> str:
    """SCHED_POLICY of a template or a cluster, also as OpenNebula's number; empty: none. UsageError for no policy."""
    given = attributes.get(POLICY)
    if given in (None, ""):
        return ""
    text = str(single(POLICY, given)).strip().lower().replace("_", "-")
    name = _NUMBERS[int(text)] if text.isascii() and text.isdigit() and int(text) < len(_NUMBERS) else text
    if name not in POLICIES:
        raise UsageError(f"{POLICY} {text[:60]!r} is no policy", hint=f"one of {', '.join(POLICIES)}")
    return name
