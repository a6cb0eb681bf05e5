"""VMs whose placing was refused wait longer each time, so that one that always is does not have all the others planned anew."""

from __future__ import annotations

from collections.abc import Iterable, Set

from nebula.engine.scheduler.values import VmView
from nebula.engine.settings import Settings


class Patience:
    """Times in seconds since the epoch. The first refusal costs nothing: mostly somebody else was quicker."""

    def __init__(self, settings: Settings) -> None:
        self._first, self._most = settings.retry_first, settings.retry_most
        self._refused: dict[int, tuple[int, float]] = {}
        """VM -> how often in a row, and until when it is left alone."""

    def ready(self, vms: Iterable[VmView], now: float) -> tuple[VmView, ...]:
        """Those that may be planned now; whoever waits no more is forgotten."""
        found = tuple(vms)
        waiting = {vm.id for vm in found}
        self._refused = {vm_id: kept for vm_id, kept in self._refused.items() if vm_id in waiting}
        return tuple(vm for vm in found if self._refused.get(vm.id, (0, 0.0))[1] <= now)

    def told(self, planned: Set[int], refused: Set[int], now: float) -> None:
        """What came of a plan: who was not refused starts anew."""
        for vm_id in planned - refused:
            self._refused.pop(vm_id, None)
        for vm_id in refused:
            times = self._refused.get(vm_id, (0, 0.0))[0] + 1
            delay = min(self._most, self._first * 2 ** min(times - 2, 32)) if times > 1 else 0.0
            self._refused[vm_id] = times, now + delay

    def next(self, now: float) -> float | None:
        """In how many seconds one of them may be planned again; None: nobody waits for that."""
        return max(0.0, min(until for _, until in self._refused.values()) - now) if self._refused else None
