"""Real traces from a directory that is given: PlanetLab's days and Bitbrains' VMs, in percent of a VM's CPU."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import BenchError

Floats = NDArray[np.float64]
_COLUMNS = ("cpu_mhz", "memory_mb", "disk_read_kbs", "disk_write_kbs", "net_rx_kbs", "net_tx_kbs")
_CORE_MHZ, _GAPS = 2600.0, 0.2


def planetlab_days(data: Path | None) -> list[Path]:
    """The files of `DIR/planetlab`; BenchError if there are none."""
    found = sorted((data / "planetlab").glob("*.csv.gz")) if data else []
    if not found:
        raise BenchError(
            "this suite needs PlanetLab's traces", hint="scripts/bench SUITE --data DIR, with DIR/planetlab/DAY.csv.gz"
        )
    return found


def planetlab(path: Path) -> Floats:
    """(VMs, 288): percent of a VM's CPU, every 300 s; the rows in their order."""
    rows = []
    with gzip.open(path, "rt") as file:
        for row in csv.reader(file):
            try:
                rows.append([float(value) for value in row[1:]])
            except ValueError:
                continue  # a head line
    return np.array(rows, dtype=np.float64)


class BitbrainsVms(NamedTuple):
    """(N, T, 4) what VMs used every 300 s: hundredths of a core of 2.6 GHz, MiB, MiB/s of disk, of network; (N,) MiB sold."""

    demand: Floats
    promised: Floats


def bitbrains_vms(data: Path | None, count: int, slots: int, seed: int) -> BitbrainsVms:
    """So many VMs over so many slots, drawn from those that were measured there at least four times in five; gaps repeat what
    was before them. BenchError if there is no file.
    """
    random = np.random.default_rng(seed)
    with np.load(_bitbrains(data)) as held:
        start = int(random.integers(0, max(1, held["cpu_mhz"].shape[1] - slots)))
        part = {name: held[name][:, start : start + slots].astype(np.float64) for name in _COLUMNS}
        sold = held["memory_capacity_mb"].astype(np.float64)
    known = np.flatnonzero((part["cpu_mhz"] < 0).mean(axis=1) < _GAPS)
    chosen = np.sort(random.choice(known, min(len(known), count), replace=False))
    found = {name: _filled(values[chosen]) for name, values in part.items()}
    disk = found["disk_read_kbs"] + found["disk_write_kbs"]
    network = found["net_rx_kbs"] + found["net_tx_kbs"]
    columns = (found["cpu_mhz"] / _CORE_MHZ * 100, found["memory_mb"], disk / 1024, network / 1024)
    return BitbrainsVms(np.stack(columns, axis=2), sold[chosen])


def _filled(values: Floats) -> Floats:
    """Gaps (negative) repeat what was before them; 0 before the first sample."""
    index = np.where(values >= 0, np.arange(values.shape[1]), 0)
    np.maximum.accumulate(index, axis=1, out=index)
    return np.asarray(np.maximum(np.take_along_axis(values, index, axis=1), 0.0))


def bitbrains(data: Path | None) -> Floats:
    """(VMs, slots): percent of a VM's CPU every 300 s, NaN where missing; BenchError if there is no file."""
    with np.load(_bitbrains(data)) as held:
        mhz = held["cpu_mhz"].astype(np.float64)
        capacity = held["cpu_capacity_mhz"].astype(np.float64)
    mhz[mhz < 0] = np.nan
    share: Floats = np.clip(mhz / capacity[:, None] * 100, 0, 100)
    return share


def _bitbrains(data: Path | None) -> Path:
    found = sorted((data / "bitbrains").glob("*.npz")) if data else []
    if not found:
        raise BenchError(
            "this suite needs Bitbrains' traces", hint="scripts/bench SUITE --data DIR, with DIR/bitbrains/NAME.npz"
        )
    return found[0]
