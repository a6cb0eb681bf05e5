"""When a cluster is full."""

from __future__ import annotations

import numpy as np
import pytest

from nebula.engine.forecast.month import DAY, full

NOW = 1000 * DAY


def history(days: int, start: float, slope: float, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Hourly values with a daily swing."""
    times = NOW - np.arange(days * 24, 0, -1) * 3600.0
    random = np.random.default_rng(0)
    values = start + slope * (times - times[0]) / DAY + 5 * np.sin(times / DAY * 2 * np.pi)
    return times, values + random.normal(0, noise, len(times)) if noise else values


def test_a_steady_growth_has_a_date() -> None:
    times, values = history(30, 100.0, 2.0)
    found = full(times, values, 200.0, NOW)
    assert found.at is not None
    assert (found.at - NOW) / DAY == pytest.approx(20, abs=1)
    assert found.days >= 29


def test_noise_widens_the_interval_and_the_date_lies_within() -> None:
    times, values = history(30, 100.0, 1.0, noise=30.0)
    found = full(times, values, 200.0, NOW)
    assert found.at is not None
    assert found.earliest is not None
    assert found.earliest < found.at
    assert found.latest is None or found.latest > found.at
    assert (found.at - NOW) / DAY == pytest.approx(70, rel=0.4)


def test_odd_days_do_not_bend_the_trend() -> None:
    times, values = history(40, 100.0, 1.0)
    values[24 * 10 : 24 * 14] = 1000.0
    found = full(times, values, 200.0, NOW)
    assert found.at is not None
    assert (found.at - NOW) / DAY == pytest.approx(60, abs=6)


@pytest.mark.parametrize("slope", [0.0, -1.0, 0.01])
def test_what_does_not_grow_is_not_full_within_a_year(slope: float) -> None:
    times, values = history(30, 100.0, slope)
    assert full(times, values, 200.0, NOW).at is None


def test_what_is_full_is_full_now() -> None:
    times, values = history(30, 300.0, 1.0)
    assert full(times, values, 200.0, NOW).at == NOW


def test_too_few_days_say_nothing() -> None:
    times, values = history(2, 100.0, 5.0)
    assert full(times, values, 200.0, NOW) == (None, None, None, 2) or full(times, values, 200.0, NOW).days <= 3
    assert full(np.zeros(0), np.zeros(0), 200.0, NOW).days == 0
