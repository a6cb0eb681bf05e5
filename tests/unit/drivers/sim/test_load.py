from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.sim.load import PROFILES, counters, level, work

SEEDS = st.integers(0, 2**32 - 1)
MOMENTS = st.floats(1.7e9, 1.7e9 + 7 * 86400)
SPANS = st.floats(0, 200_000)


@given(st.sampled_from(PROFILES), SEEDS, MOMENTS)
def test_a_level_is_a_share(profile: str, seed: int, moment: float) -> None:
    assert 0 <= level(profile, seed, moment) <= 1


@given(st.sampled_from(PROFILES), SEEDS, MOMENTS, SPANS, SPANS)
def test_parts_add_up_to_the_whole_however_often_one_looks(
    profile: str, seed: int, start: float, first: float, second: float
) -> None:
    middle, end = start + first, start + first + second
    whole = work(profile, seed, start, end)
    assert work(profile, seed, start, middle) + work(profile, seed, middle, end) == pytest.approx(whole, abs=1e-3)
    assert -1e-3 <= whole <= end - start + 1e-3


@given(st.sampled_from(PROFILES), SEEDS)
def test_work_is_what_the_levels_say(profile: str, seed: int) -> None:
    start = 1.7e9
    summed = sum(level(profile, seed, start + second + 0.5) for second in range(7200))
    assert work(profile, seed, start, start + 7200) == pytest.approx(summed, abs=5)


@given(SEEDS, st.floats(0, 1e7), st.floats(0, 1e6), st.integers(1, 64), st.integers(64, 1 << 20))
def test_counters_only_grow(seed: int, activity: float, more: float, vcpus: int, memory_mib: int) -> None:
    before, after = (counters(worked, seed, vcpus, memory_mib) for worked in (activity, activity + more))
    assert all(a >= b for a, b in zip(after, before, strict=True))
    assert after.memory_used_kib <= memory_mib << 10
