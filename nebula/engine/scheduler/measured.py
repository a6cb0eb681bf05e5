"""What hosts use by now, for the policy load-aware: the mean of the last minute in memory, else what was written last."""

from __future__ import annotations

from math import isnan

from nebula.engine.metrics.kinds import place
from nebula.engine.metrics.recent import RecentFigures
from nebula.engine.scheduler.snapshot import Measured, last_written
from nebula.engine.store.rows import HostRow

_ROWS = 6
"""Measurements of 10 s that are averaged, so that one busy moment does not count as load."""
_COLUMNS = place("host", "cpu"), place("host", "memory")


def lately(figures: RecentFigures) -> Measured:
    """Asks these figures."""

    def measured(row: HostRow) -> tuple[float, float]:
        rows = [values for _, values in figures.rows("host", row.id)[-_ROWS:]]
        found = [[values[column] for values in rows if not isnan(values[column])] for column in _COLUMNS]
        cpu, memory = (sum(known) / len(known) if known else old for known, old in zip(found, last_written(row), strict=True))
        return cpu, memory

    return measured
