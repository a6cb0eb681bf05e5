"""What of a host may be promised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.capacity import reserved_amount, usable
from nebula.errors import UsageError


@pytest.mark.parametrize(
    ("reserved", "left"),
    [
        ("", 1000),
        ("0", 1000),
        ("200", 800),
        ("10%", 900),
        ("100%", 0),
        ("2000", 0),
        ("-500", 1500),
        ("-50%", 1500),
        (" 10% ", 900),
    ],
)
def test_amounts_and_shares(reserved: str, left: int) -> None:
    assert usable(1000, reserved) == left


@given(st.text(max_size=10))
def test_nonsense_is_refused(text: str) -> None:
    with suppress(UsageError):
        assert isinstance(reserved_amount(1000, text), int)


@pytest.mark.parametrize("text", ["101%", "nan%", "inf%", "-20000%", "%", "1.5", "ten", "1e3", "9" * 5000])
def test_out_of_range(text: str) -> None:
    with pytest.raises(UsageError):
        reserved_amount(1000, text)
