"""Figures as bytes and back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.metrics.codec import pack, unpack

values = st.one_of(st.just(math.nan), st.floats(0, 2.0**40, width=32))


@given(st.lists(st.tuples(st.integers(0, (1 << 32) - 1), values, values), max_size=40))
def test_what_was_packed_comes_back_within_its_precision(rows: list[tuple[int, float, float]]) -> None:
    columns = [[row[1] for row in rows], [row[2] for row in rows]]
    ids, found = unpack(pack([row[0] for row in rows], columns), 2)
    assert list(ids) == [row[0] for row in rows]
    for before, after in zip(columns, found, strict=True):
        for one, other in zip(before, after, strict=True):
            assert (math.isnan(one) and math.isnan(other)) or other == pytest.approx(one, rel=2**-8, abs=1e-37)


@pytest.mark.parametrize("data", [b"", b"\x02abc", b"\x01abc", pack([1, 2], [[1.0, 2.0]])])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="roll-up"):
        unpack(data, 2)


def test_a_thousand_quiet_vms_take_little() -> None:
    columns = [[float(number % 7) for number in range(1000)] for _ in range(20)]
    assert len(pack(range(1000), columns)) < 1000 * (4 + 2 * 20)
