"""What VMs use now: means and standard deviations of the last minutes, of all VMs at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np

from nebula.engine.drs.outlook import Expected
from nebula.engine.drs.problem import Floats
from nebula.engine.drs.values import Figures
from nebula.engine.metrics.kinds import METRICS, place
from nebula.engine.metrics.recent import KEPT

_SUMS = (("cpu", "cpu_wait"), ("memory",), ("disk_read", "disk_write"), ("net_rx", "net_tx"))
"""What a VM wants: what it used, and what it waited for."""
_PLACES = tuple(tuple(place("vm", name) for name in names) for names in _SUMS)
_WIDTH = len(METRICS["vm"])
_AT_ONCE = 2000
"""VMs; each takes some 10 KB while they are summed up."""


def present(raw: Mapping[int, tuple[bytes, bytes]], since: float) -> dict[int, Expected]:
    """Of VMs that were measured after `since`, from what is kept of them (see RecentFigures.raw)."""
    found: dict[int, Expected] = {}
    items = iter(raw.items())
    while part := dict(islice(items, _AT_ONCE)):
        found.update(_of(part, since))
    return found


def _of(raw: Mapping[int, tuple[bytes, bytes]], since: float) -> Iterator[tuple[int, Expected]]:
    times = np.frombuffer(b"".join(at for at, _ in raw.values()), np.float64).reshape(-1, KEPT)
    rows = np.frombuffer(b"".join(row for _, row in raw.values()), np.float32).reshape(-1, KEPT, _WIDTH)
    recent = times > since
    demand = np.stack([_sum(rows, places) for places in _PLACES], axis=2)
    count = recent.sum(axis=1)
    share = recent[:, :, None] / np.maximum(count, 1)[:, None, None]
    mean = (demand * share).sum(axis=1)
    spread = np.sqrt((np.square(demand - mean[:, None]) * share).sum(axis=1))
    for vm, known, means, spreads in zip(raw, count.tolist(), mean.tolist(), spread.tolist(), strict=True):
        if known:
            yield vm, Expected(Figures(*means), Figures(*spreads))


def _sum(rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]], places: tuple[int, ...]) -> Floats:
    """(N, KEPT) of a metric; what is not known counts as 0."""
    return np.asarray(np.nan_to_num(rows[:, :, places]).sum(axis=2, dtype=np.float64))
