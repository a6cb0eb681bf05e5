"""Which host runs which domain, by what each was last seen to run."""

from __future__ import annotations

import threading

from nebula.engine.store.rows import HostRow


class Whereabouts:
    """Thread-safe. A look at a host costs what changed on it, not what all hosts run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: dict[int, frozenset[str]] = {}
        self._runners: dict[str, tuple[int, ...]] = {}
        """Domain's UUID -> the hosts that run it: one, but for what somebody else did."""
        self._names: dict[int, str] = {}

    def seen(self, host: HostRow, alive: frozenset[str]) -> None:
        """The host runs these domains, and no others."""
        with self._lock:
            self._names[host.id] = host.name
            self._replace(host.id, alive)

    def forget(self, host_id: int) -> None:
        """The host is watched no more."""
        with self._lock:
            self._replace(host_id, frozenset())
            self._names.pop(host_id, None)
            del self._alive[host_id]

    def elsewhere(self, host_id: int, uuid: str) -> str:
        """The name of a host that runs the domain; "" if only that one does, or none."""
        with self._lock:
            others = [runner for runner in self._runners.get(uuid, ()) if runner != host_id]
            return self._names[others[0]] if others and host_id not in self._runners[uuid] else ""

    def _replace(self, host_id: int, alive: frozenset[str]) -> None:
        before = self._alive.get(host_id, frozenset())
        for uuid in before - alive:
            left = tuple(runner for runner in self._runners[uuid] if runner != host_id)
            if left:
                self._runners[uuid] = left
            else:
                del self._runners[uuid]
        for uuid in alive - before:
            self._runners[uuid] = (*self._runners.get(uuid, ()), host_id)
        self._alive[host_id] = alive
