"""What of a host may be promised."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.capacity import Unit, check_reserved, reserved_amount, usable
from nebula.errors import UsageError


@pytest.mark.parametrize(
    ("reserved", "unit", "left"),
    [
        ("", "memory", 1000),
        ("0", "memory", 1000),
        ("-0", "cores", 1000),
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


@pytest.mark.parametrize(
    ("total", "reserved", "unit"),
    [
        (1000, "120%", "memory"),
        (1000, "1001", "memory"),
        (1000, "11", "cores"),
        (0, "101%", "cores"),
        (1000, "-3101%", "memory"),
        (1000, "-311", "cores"),
        (0, "-4000%", "memory"),
    ],
)
def test_more_than_there_is_is_not_reserved_nor_promised_without_end(total: int, reserved: str, unit: Unit) -> None:
    option = "--reserved-cpu" if unit == "cores" else "--reserved-memory"
    with pytest.raises(UsageError) as failure:
        check_reserved("a1", total, reserved, unit)
    assert "host a1" in failure.value.message
    assert failure.value.cause
    assert failure.value.hint.startswith(option)


@given(st.integers(1, 1 << 24), st.integers(-3100, 100), st.sampled_from(["cores", "memory"]))
def test_what_can_be_meant_is_taken(total: int, share: int, unit: Unit) -> None:
    check_reserved("a1", total, f"{share}%", unit)
    check_reserved("a1", 0, f"{share}%", unit)
    assert 0 <= usable(total, f"{share}%", unit) <= 32 * total + 1


def test_an_amount_is_judged_once_the_host_is_known() -> None:
    check_reserved("a1", 0, "200G", "memory")
    with pytest.raises(UsageError, match=r"cannot keep 200G of memory from VMs: it has 64\.0G"):
        check_reserved("a1", 64 << 10, "200G", "memory")
