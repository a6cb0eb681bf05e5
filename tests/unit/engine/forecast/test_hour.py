"""The coming hour: what is constant stays, what repeats is seen before it comes, nothing odd breaks it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.forecast.hour import HourAhead, Kind
from nebula.engine.forecast.quantile import Floats, fit, pinball
from nebula.engine.forecast.window import DAY, KEPT, Window

ALL: tuple[tuple[Kind, float], ...] = (("next", 0.5), ("later", 0.5), ("mean", 0.5), ("peak", 0.9))


def run(series: Floats, **more: int) -> HourAhead:
    """(N, T) slot by slot."""
    hour = HourAhead(ALL, **more)
    hour.grow(len(series))
    return on(hour, series)


def on(hour: HourAhead, series: Floats) -> HourAhead:
    """The same one after (N, T) more."""
    for column in series.T:
        hour.observe(column)
    return hour


def test_what_never_changes_is_expected_to_stay() -> None:
    hour = run(np.repeat([[5.0], [0.0], [80.0]], 60, axis=1))
    for kind, _ in ALL:
        assert hour.expect(kind) == pytest.approx([5.0, 0.0, 80.0], abs=0.2)


def test_a_step_is_believed() -> None:
    series = np.concatenate([np.full((4, 100), 10.0), np.full((4, 40), 60.0)], axis=1)
    assert run(series).expect("mean") == pytest.approx([60.0] * 4, abs=3.0)


def loaded(series: Floats) -> HourAhead:
    """(N, T) all at once."""
    hour = HourAhead(ALL)
    hour.grow(len(series))
    grid = np.full((KEPT, len(series)), np.nan, dtype=np.float32)
    newest = series[:, -KEPT:].T
    grid[KEPT - len(newest) :] = newest
    hour.load(grid)
    return hour


def test_a_peak_that_comes_every_day_is_expected_before_it_comes() -> None:
    day = np.full(DAY, 5.0)
    day[100:130] = 90.0
    noise = np.random.default_rng(0).normal(0, 0.5, (20, 6 * DAY))
    series = np.tile(day, 6)[None] + noise
    hour = loaded(series[:, : 5 * DAY + 40])
    assert (hour.expect("peak") < 30).all(), "five hours before"
    on(hour, series[:, 5 * DAY + 40 : 5 * DAY + 98])
    assert (hour.expect("peak") > 50).all(), "two slots before it comes"


def test_what_is_learned_at_once_is_what_would_be_learned_slot_by_slot() -> None:
    random = np.random.default_rng(3)
    day = np.full(DAY, 5.0)
    day[100:130] = 90.0
    noise = np.concatenate([random.normal(0, 0.5, (10, 6 * DAY)), random.normal(0, 3.0, (10, 6 * DAY))])
    series = np.maximum(0.0, np.tile(day, 6)[None] + noise)
    series[10:] = np.maximum(0.0, 40.0 + 10 * np.cumsum(noise[10:], axis=1) / 100)
    series[4, : 5 * DAY] = np.nan
    one_by_one, done = run(series[:, :0]), 0
    every_day = [number for number in range(10) if number != 4]
    for slots, coming in ((5 * DAY + 40, False), (5 * DAY + 98, True)):
        at_once = loaded(series[:, :slots])
        on(one_by_one, series[:, done:slots])
        done = slots + 1
        peaks = one_by_one.expect("peak")[every_day]
        assert (peaks > 50).all() if coming else (peaks < 30).all()
        for kind, _ in ALL:
            assert at_once.expect(kind) == pytest.approx(one_by_one.expect(kind), rel=0.15, abs=3.0), kind
        at_once.observe(series[:, slots])
        one_by_one.observe(series[:, slots])
        assert at_once.expect("peak") == pytest.approx(one_by_one.expect("peak"), rel=0.15, abs=3.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 4), st.integers(1, KEPT + 20))
def test_any_past_gives_finite_forecasts(seed: int, count: int, slots: int) -> None:
    series = np.random.default_rng(seed).choice([0.0, 1e-9, 3.0, 1e9, np.nan], (count, slots))
    hour = loaded(series)
    hour.observe(np.full(count, 3.0))
    for kind, _ in ALL:
        assert np.isfinite(hour.expect(kind)).all()
        assert (hour.expect(kind) >= 0).all()


def test_a_slot_costs_the_series_and_not_what_is_kept_of_them() -> None:
    window = Window()
    window.grow(3)
    ring = window._ring
    for slot in range(2 * KEPT + 5):
        window.push(np.array([slot, 2.0 * slot, np.nan]))
    assert window._ring is ring, "the slots were copied"
    assert window.span(0, 3).T.tolist() == [
        [2 * KEPT + n for n in (2, 3, 4)],
        [2.0 * (2 * KEPT + n) for n in (2, 3, 4)],
        [0] * 3,
    ]
    assert window.span(5, 2, np.array([1])).tolist() == [[2.0 * (2 * KEPT - 2)], [2.0 * (2 * KEPT - 1)]]
    assert window.known.tolist() == [2 * KEPT + 5, 2 * KEPT + 5, 0]


def test_the_peak_covers_nine_of_ten_hours() -> None:
    random = np.random.default_rng(1)
    series = np.maximum(0.0, 20 + random.normal(0, 5, (30, 500)))
    hour = HourAhead((("peak", 0.9),))
    hour.grow(30)
    covered = []
    for t in range(480):
        hour.observe(series[:, t])
        if t > 250:
            covered.append(series[:, t + 1 : t + 13].max(axis=1) <= hour.expect("peak"))
    assert 0.85 < float(np.mean(covered)) < 0.95


def test_gaps_newcomers_and_those_who_leave() -> None:
    hour = HourAhead(ALL)
    hour.grow(2)
    for slot in range(60):
        hour.observe(np.array([10.0, np.nan if slot % 3 else 20.0]))
    hour.grow(1)
    assert hour.expect("mean").shape == (3,)
    for _ in range(20):
        hour.observe(np.array([10.0, np.nan, 40.0]))
    assert hour.expect("mean") == pytest.approx([10.0, 20.0, 40.0], abs=2.0)
    hour.keep([2, 0])
    assert hour.expect("mean") == pytest.approx([40.0, 10.0], abs=2.0)
    hour.observe(np.array([40.0, 10.0]))
    assert hour.expect("peak") == pytest.approx([40.0, 10.0], abs=4.0)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 60))
def test_any_series_gives_finite_forecasts_that_are_not_negative(seed: int, count: int, slots: int) -> None:
    random = np.random.default_rng(seed)
    series = random.choice([0.0, 1e-9, 3.0, 1e9, np.nan], (count, slots))
    hour = run(series)
    for kind, _ in ALL:
        found = hour.expect(kind)
        assert np.isfinite(found).all()
        assert (found >= 0).all()


def test_the_order_of_series_does_not_matter() -> None:
    series = np.abs(np.random.default_rng(2).normal(20, 10, (6, 80)))
    turned = run(series[::-1].copy()).expect("peak")[::-1]
    assert run(series).expect("peak") == pytest.approx(turned, rel=0.05)


@given(st.floats(0.1, 0.9), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_fitted_line_has_its_share_above_it(q: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    inputs = np.stack([random.uniform(0, 10, 2000), np.ones(2000)], axis=1)
    outcome = 3 * inputs[:, 0] + random.exponential(1 + inputs[:, 0] / 5)
    line = fit(inputs, outcome, q)
    assert float(np.mean(outcome <= inputs @ line)) == pytest.approx(q, abs=0.05)
    worse = line + np.array([0.3, 0.0])
    assert pinball(outcome, inputs @ line, q).mean() <= pinball(outcome, inputs @ worse, q).mean()
