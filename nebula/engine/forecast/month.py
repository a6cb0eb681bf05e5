"""When a cluster will be full: the trend of its daily means, without the noise of single days.

The trend is the median of all slopes between two days (Theil 1950, Sen 1968), which a quarter of odd days do not bend; its
interval comes from the spread of Kendall's statistic (Sen). What counts is use, not its share, so that a host that was added
bends nothing.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from nebula.engine.forecast.quantile import Floats

DAY = 86_400.0
LEAST_DAYS = 4
"""Fewer days say nothing of a trend."""
HORIZON_DAYS = 366.0
_COVERAGE = 0.8


class Trend(NamedTuple):
    """`level`: now; `slope`: a day, with the interval `low` to `high` that covers 80 %."""

    level: float
    slope: float
    low: float
    high: float


class Full(NamedTuple):
    """When use reaches the capacity, seconds since the epoch: most likely, the earliest and the latest that 80 % cover; None:
    not within a year. `days`: how many days of history that rests on.
    """

    at: float | None
    earliest: float | None
    latest: float | None
    days: int


def daily(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """(days, means) of hourly values at `times` (seconds); days that were measured less than a quarter are left out."""
    numbers = np.floor(times / DAY)
    found = [(day, values[numbers == day]) for day in np.unique(numbers)]
    kept = [(day, float(np.nanmean(part))) for day, part in found if np.count_nonzero(~np.isnan(part)) >= 6]
    return np.array([day for day, _ in kept], dtype=np.float64), np.array([mean for _, mean in kept], dtype=np.float64)


def trend(days: Floats, means: Floats, now_day: float) -> Trend | None:
    """The trend of daily means; None for too few days."""
    count = len(days)
    if count < LEAST_DAYS:
        return None
    one, other = np.triu_indices(count, 1)
    slopes = np.sort((means[other] - means[one]) / (days[other] - days[one]))
    slope = float(np.median(slopes))
    half = NormalDist().inv_cdf(0.5 + _COVERAGE / 2) * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    last = len(slopes) - 1
    low = float(slopes[max(0, int((len(slopes) - half) / 2))])
    high = float(slopes[min(last, math.ceil((len(slopes) + half) / 2))])
    level = float(np.median(means - slope * (days - now_day)))
    return Trend(level, slope, low, high)


def full(times: Floats, values: Floats, capacity: float, now: float) -> Full:
    """When hourly `values` will reach `capacity`."""
    days, means = daily(times, values)
    found = trend(days, means, now / DAY)
    if found is None or capacity <= 0:
        return Full(None, None, None, len(days))
    left = capacity - found.level
    at, early, late = (_reached(left, slope, now) for slope in (found.slope, found.high, found.low))
    return Full(at, early, late, len(days))


def _reached(left: float, slope: float, now: float) -> float | None:
    if left <= 0:
        return now
    if slope <= 0 or left / slope > HORIZON_DAYS:
        return None
    return now + left / slope * DAY
