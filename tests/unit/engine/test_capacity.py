"""What of a host may be promised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.capacity import Unit, reserved_amount, usable
from nebula.errors import UsageError


@pytest.mark.parametrize(
    ("reserved", "unit", "left"),
    [
        ("", "memory", 1000),
        ("200", "memory", 800),
        ("1G", "memory", 0),
        ("10%", "memory", 900),
        (" 100% ", "cores", 0),
        ("-50%", "memory", 1500),
        ("-500", "memory", 1500),
        ("2", "cores", 800),
        ("0.5", "cores", 950),
        ("-1", "cores", 1100),
    ],
)
def test_amounts_and_shares(reserved: str, unit: Unit, left: int) -> None:
    assert usable(1000, reserved, unit) == left


@given(st.text(max_size=10), st.sampled_from(["cores", "memory"]))
def test_nonsense_is_refused(text: str, unit: Unit) -> None:
    with suppress(UsageError):
        assert isinstance(reserved_amount(1000, text, unit), int)


@pytest.mark.parametrize("unit", ["cores", "memory"])
@pytest.mark.parametrize("text", ["20000%", "nan%", "inf%", "--5", "%", "ten", "1e3", "9" * 5000, "9" * 5000 + "%"])
def test_out_of_range(text: str, unit: Unit) -> None:
    with pytest.raises(UsageError) as failure:
        reserved_amount(1000, text, unit)
    assert failure.value.hint
