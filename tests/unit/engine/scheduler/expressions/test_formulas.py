"""Ranks: OpenNebula's arithmetic; what cannot be computed counts 0."""

from __future__ import annotations

import pytest

from nebula.engine.scheduler.expressions import HOST, Value, rank

A_HOST: dict[str, Value] = {
    "FREE_CPU": 350,
    "RUNNING_VMS": 4,
    "TEMPERATURE": "41.5",
    "NAME": "host-7",
    "ZERO": 0,
    "SIZES": ("3", "5"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("RUNNING_VMS", 4),
        ("- RUNNING_VMS", -4),
        ("--RUNNING_VMS", 4),
        ("FREE_CPU * 2 + 1", 701),
        ("1 + FREE_CPU * 2", 701),
        ("(1 + RUNNING_VMS) * 2", 10),
        ("10 - 3 - 2", 5),
        ("100 / 10 / 2", 5),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("2 * -3", -6),
        ("0.5 + 0.5", 1),
        ("TEMPERATURE", 41),
        ("100 - TEMPERATURE", 58),
        ("NOBODY + 1", 1),
        ("NAME + 1", 1),
        ("SIZES", 3),
        ('"/HOST/HOST_SHARE/RUNNING_VMS" + "FREE_CPU"', 354),
    ],
)
def test_values(text: str, value: int) -> None:
    assert rank(text, HOST).of(A_HOST) == value


@pytest.mark.parametrize(
    "text", ["1 / ZERO", "5 + 1 / ZERO", "ZERO / ZERO", "1 / (FREE_CPU - 350)", "*".join(["999999999999999999"] * 20)]
)
def test_what_cannot_be_computed_counts_nothing(text: str) -> None:
    assert rank(text, HOST).of(A_HOST) == 0


def test_infinities_cancel_to_nothing() -> None:
    huge = "*".join(["999999999999999999"] * 20)
    assert rank(f"{huge} - {huge}", HOST).of(A_HOST) == 0


def test_the_names_that_it_counts_with() -> None:
    assert rank("-(A + 2) * B / A", HOST).names == {"A", "B"}
