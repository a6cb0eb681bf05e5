"""What of a host may be promised: its total less what is reserved, or more where it is overcommitted."""

from __future__ import annotations

from typing import Literal

from nebula.errors import UsageError
from nebula.units import parse_cpu, parse_mib

Unit = Literal["cores", "memory"]


def usable(total: int, reserved: str, unit: Unit) -> int:
    """What may be promised of `total` (hundredths of a core, or MiB)."""
    return max(0, total - reserved_amount(total, reserved, unit))


def reserved_amount(total: int, reserved: str, unit: Unit) -> int:
    """The reserved part in the total's unit; negative for overcommitment.

    `reserved` is empty, a percentage ("10%", "-50%"), or an amount: cores ("2", "0.5"), or memory ("2G", bare numbers in
    MiB); a negative one promises more than there is. UsageError for anything else.
    """
    text = reserved.strip()
    sign, amount = (-1, text[1:]) if text.startswith("-") else (1, text)
    if not text:
        return 0
    if amount.endswith("%"):
        return sign * round(total * _share(amount[:-1], reserved) / 100)
    if unit == "memory":
        return sign * parse_mib(amount, what="amount of memory to reserve")
    return sign * parse_cpu(amount)


def _share(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 10_000):
        raise UsageError(f"{whole[:40]!r} is no percentage", hint="10% keeps a tenth back, -50% promises half as much again")
    return int(text)
