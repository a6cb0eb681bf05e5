"""What VMs and hosts are expected to use: the mean of the time that is planned for, and how far off that may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from nebula.engine.drs.values import Figures
from nebula.engine.metrics.recent import RecentFigures

WINDOW = 300.0
"""Seconds of measurements that count as now."""


class Expected(NamedTuple):
    """Mean and standard deviation."""

    mean: Figures
    spread: Figures
    history: tuple[float, ...] = ()
    """CPU that was used in the slots of the last hour, the newest last; empty: not known."""


class Outlook(Protocol):
    """Whoever tells what VMs will use."""

    def expected(self, vms: Iterable[int], now: float) -> dict[int, Expected]:
        """VM id -> what it will use; VMs of which nothing is known are left out."""
        ...


class Measured:
    """The last minutes, taken for what comes: what there is without a history."""

    def __init__(self, figures: RecentFigures) -> None:
        self._figures = figures

    def expected(self, vms: Iterable[int], now: float) -> dict[int, Expected]:
        """See Outlook.expected."""
        from nebula.engine.drs.present import present

        return present(self._figures.raw("vm", vms), now - WINDOW)
