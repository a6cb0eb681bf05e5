"""Sizes, CPUs and times: read, written, and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula import units
from nebula.errors import UsageError


@given(st.integers(0, units.LARGEST))
def test_exact_size_is_read_back(size: int) -> None:
    assert units.parse_size(units.exact_size(size)) == size


@given(st.integers(0, 10_000_000))
def test_cpu_is_read_back(hundredths: int) -> None:
    assert units.parse_cpu(units.format_cpu(hundredths)) == hundredths


@given(st.integers(0, 999_999_999 * 60))
def test_exact_duration_is_read_back(seconds: int) -> None:
    assert units.parse_duration(units.exact_duration(seconds)) == seconds


@given(st.text(max_size=40))
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    for parse in (units.parse_size, units.parse_mib, units.parse_cpu, units.parse_duration):
        try:
            value = parse(text)
        except UsageError:
            continue
        assert 0 <= value <= units.LARGEST


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [
        ("2G", "", 2 << 30),
        ("512M", "", 512 << 20),
        ("1.5T", "", 3 << 39),
        ("10GiB", "", 10 << 30),
        ("10gb", "", 10 << 30),
        ("512", "M", 512 << 20),
        ("512", "", 512),
        ("512B", "M", 512),
        (" 1 K ", "", 1024),
    ],
)
def test_sizes(text: str, unit: str, size: int) -> None:
    assert units.parse_size(text, unit=unit) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1e9", "2GG", "٣G", "0x10", "1..5G", "9" * 30, "99999999P"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        units.parse_size(text)


@pytest.mark.parametrize("text", ["0", "1K", "1025K", "0.3M"])
def test_memory_is_whole_mebibytes(text: str) -> None:
    with pytest.raises(UsageError, match="MiB"):
        units.parse_mib(text)


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.0K"), (2 << 30, "2.0G"), (3 << 39, "1.5T")])
def test_sizes_for_people(size: int, text: str) -> None:
    assert units.format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0, "0s"), (45.9, "45s"), (3840, "1h4m"), (3605, "1h"), (7 * 86400 + 7200, "7d2h"), (90, "1m30s")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text
