"""Sets of CPUs, read and written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nebula.cpusets import cpus_of, listed


@given(st.sets(st.integers(0, 8191), max_size=60))
def test_what_is_written_is_read_back(cpus: set[int]) -> None:
    assert set(cpus_of(listed(cpus))) == cpus


def test_as_kernels_write_them() -> None:
    assert cpus_of("0-2,7\n") == (0, 1, 2, 7)
    assert listed([7, 0, 1, 2]) == "0-2,7"
    assert cpus_of("") == cpus_of("x-y") == cpus_of("²") == ()
    assert len(cpus_of("0-99999")) <= 8193


@given(st.text())
def test_rubbish_is_left_out(text: str) -> None:
    assert all(cpu >= 0 for cpu in cpus_of(text))
