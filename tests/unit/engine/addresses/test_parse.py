"""Spans as people type them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.addresses import MAX_SIZE, Span, parse_span
from nebula.errors import UsageError


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("10.0.0.10-10.0.0.50", Span("10.0.0.10", 41, 4)),
        (" 10.0.0.10 - 10.0.0.50 ", Span("10.0.0.10", 41, 4)),
        ("10.0.0.10+100", Span("10.0.0.10", 100, 4)),
        ("10.0.0.0/24", Span("10.0.0.1", 254, 4)),
        ("10.0.0.0/31", Span("10.0.0.0", 2, 4)),
        ("10.0.0.7/32", Span("10.0.0.7", 1, 4)),
        ("10.0.0.7", Span("10.0.0.7", 1, 4)),
        ("fd00::10+16", Span("fd00::10", 16, 6)),
        ("fd00::/120", Span("fd00::1", 255, 6)),
        ("fd00::a-fd00::f", Span("fd00::a", 6, 6)),
    ],
)
def test_the_forms(text: str, span: Span) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "10.0.0.50-10.0.0.10",
        "10.0.0.1-fd00::1",
        "10.0.0.1+0",
        "10.0.0.1+-5",
        "10.0.0.1+²",
        "10.0.0.5/24",
        "10.0.0.0/33",
        "255.255.255.255+2",
        "fd00::/64",
        "0.0.0.0/0",
        "10.0.0.1+99999999999",
        "fe80::1%eth0",
        "10.0.0.1--10.0.0.2",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_span(text)
    assert caught.value.hint


@given(st.integers(0, (1 << 32) - MAX_SIZE), st.integers(1, MAX_SIZE))
def test_both_spellings_mean_the_same(first: int, size: int) -> None:
    start, end = IPv4Address(first), IPv4Address(first + size - 1)
    assert parse_span(f"{start}-{end}") == parse_span(f"{start}+{size}") == Span(str(start), size, 4)


@given(st.text(max_size=60))
def test_any_text_is_a_span_or_a_usage_error(text: str) -> None:
    try:
        span = parse_span(text)
    except UsageError:
        return
    assert 1 <= span.size <= MAX_SIZE
