"""Forecasts of real VMs' CPU, in points (percent of a VM's CPU): the next 5 minutes, in an hour, and the coming hour's peak."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchkit import forecast_scale, traces
from benchkit.figure import Figure
from benchkit.suite import Bench
from benchkit.traces import Floats
from nebula.engine.forecast.hour import HourAhead
from nebula.engine.forecast.quantile import pinball

NEEDS_DATA = True
NEEDS_PROGRAM = False
HOUR, DAY = 12, 288
_Q = 0.9
_BITBRAINS_VMS, _BITBRAINS_DAYS, _WARM_DAYS = 100, 14, 4
_PLANETLAB_WARM = 60
"""Slots from which on a day's forecasts count: five hours."""


class Errors(NamedTuple):
    """Mean absolute error of the next slot and of the slot in an hour; pinball loss at .9 of the peak, and its coverage."""

    soon: float
    later: float
    peak: float
    coverage: float


def run(bench: Bench) -> Iterator[Figure]:
    """What forecasts cost; every day of PlanetLab, then Bitbrains."""
    yield from forecast_scale.figures(bench.scratch, bench.seed)
    for path in traces.planetlab_days(bench.data):
        yield from _compared(f"PlanetLab {path.name.partition('.')[0]}", traces.planetlab(path), _PLANETLAB_WARM, bench.seed)
    series = _drawn(traces.bitbrains(bench.data), bench.seed)
    yield from _compared(f"Bitbrains, {len(series)} VMs, seed {bench.seed}", series, _WARM_DAYS * DAY, bench.seed)


def _drawn(series: Floats, seed: int) -> Floats:
    """Some VMs over some days, without those that were hardly measured."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(len(series), min(len(series), _BITBRAINS_VMS), replace=False))
    length = (_BITBRAINS_DAYS + _WARM_DAYS) * DAY
    start = int(random.integers(0, max(1, series.shape[1] - length)))
    part: Floats = series[chosen, start : start + length]
    measured: Floats = part[np.isnan(part).mean(axis=1) < 0.2]
    return measured


def _compared(name: str, series: Floats, warm: int, seed: int) -> Iterator[Figure]:
    filled = _filled(series)
    began = time.process_time()
    ours = _ours(filled, warm, seed)
    taken = (time.process_time() - began) / filled.size / 3 * 1e6
    others = {word: _errors(filled, warm, *made) for word, made in _plain(filled).items()}
    for field, unit in (("soon", "next 5 min, MAE"), ("later", "in 1 h, MAE"), ("peak", "peak of the hour, pinball .9")):
        beside = ", ".join(f"{word} {getattr(found, field):.3f}" for word, found in others.items())
        yield Figure(f"{name}: {unit}", "points", [getattr(ours, field)], beside)
    yield Figure(f"{name}: the peak's coverage", "", [ours.coverage], "goal .88 to .92")
    yield Figure(f"{name}: a series and forecast", "µs", [taken], "goal 20")


def _filled(series: Floats) -> Floats:
    """Gaps repeat what was before them."""
    index = np.where(~np.isnan(series), np.arange(series.shape[1]), 0)
    np.maximum.accumulate(index, axis=1, out=index)
    return np.nan_to_num(np.take_along_axis(series, index, axis=1))


def _ours(series: Floats, warm: int, seed: int) -> Errors:
    hour = HourAhead((("next", 0.5), ("later", 0.5), ("peak", _Q)), seed=seed)
    hour.grow(len(series))
    made = {kind: np.zeros(series.shape) for kind in hour.targets}
    for slot in range(series.shape[1]):
        hour.observe(series[:, slot])
        for kind in hour.targets:
            made[kind][:, slot] = np.minimum(hour.expect(kind), 100.0)
    return _errors(series, warm, made["next"], made["later"], made["peak"])


def _errors(series: Floats, warm: int, soon: Floats, later: Floats, peak: Floats) -> Errors:
    """Of forecasts (VMs, slots) that were made at each slot."""
    end = series.shape[1] - HOUR
    span = slice(warm, end)
    tops = np.lib.stride_tricks.sliding_window_view(series, HOUR, axis=1).max(axis=2)[:, warm + 1 : end + 1]
    return Errors(
        float(np.abs(series[:, warm + 1 : end + 1] - soon[:, span]).mean()),
        float(np.abs(series[:, warm + HOUR : end + HOUR] - later[:, span]).mean()),
        float(pinball(tops, peak[:, span], _Q).mean()),
        float((tops <= peak[:, span] + 1e-9).mean()),
    )


def _plain(series: Floats) -> dict[str, tuple[Floats, Floats, Floats]]:
    """What people do without a model: (next, in an hour, peak)."""
    mean12, top36 = _trailing(series, 12, np.mean), _trailing(series, 36, np.max)
    smooth = _holt(series)
    day = np.maximum(_trailing(series, 12, np.max), _yesterday(series))
    return {
        "last value": (series, series, series),
        "mean of 12, max of 36": (mean12, mean12, top36),
        "damped Holt, max of 12 and yesterday": (*smooth, day),
    }


def _trailing(series: Floats, count: int, of: Callable[..., Floats]) -> Floats:
    found = series.copy()
    found[:, count - 1 :] = of(np.lib.stride_tricks.sliding_window_view(series, count, axis=1), axis=2)
    return found


def _yesterday(series: Floats) -> Floats:
    """The highest slot of the coming hour, a day before."""
    tops = np.lib.stride_tricks.sliding_window_view(series, HOUR, axis=1).max(axis=2)
    found = np.zeros(series.shape)
    count = max(0, min(series.shape[1] - DAY, tops.shape[1] - 1))
    found[:, DAY : DAY + count] = tops[:, 1 : count + 1]
    return found


def _holt(series: Floats, alpha: float = 0.5, beta: float = 0.1, phi: float = 0.9) -> tuple[Floats, Floats]:
    """Level and damped trend."""
    level, trend = series[:, 0].copy(), np.zeros(len(series))
    soon, later = np.zeros(series.shape), np.zeros(series.shape)
    far = sum(phi**step for step in range(1, HOUR + 1))
    for slot in range(series.shape[1]):
        before = level
        level = alpha * series[:, slot] + (1 - alpha) * (level + phi * trend)
        trend = beta * (level - before) + (1 - beta) * phi * trend
        soon[:, slot] = np.clip(level + phi * trend, 0, 100)
        later[:, slot] = np.clip(level + far * trend, 0, 100)
    return soon, later
