"""What of a host may be promised: its total less what is reserved, or more where it is overcommitted."""

from __future__ import annotations

from typing import Literal

from nebula.errors import UsageError
from nebula.units import format_cpu, format_size, parse_cpu, parse_mib

Unit = Literal["cores", "memory"]
_MOST_PROMISED = 32
"""How many times what a host has may be promised at most."""


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
    if not text or amount == "0":
        return 0
    if amount.endswith("%"):
        return sign * round(total * _share(amount[:-1], reserved) / 100)
    if unit == "memory":
        return sign * parse_mib(amount, what="amount of memory to reserve")
    return sign * parse_cpu(amount)


def check_reserved(host: str, total: int, reserved: str, unit: Unit) -> None:
    """UsageError where more would be kept back than there is, or too many times of it promised. `total` is 0 while nobody
    has looked at the host: then only a percentage can be judged.
    """
    judged = total or (100 if reserved.strip().endswith("%") else 0)
    amount = reserved_amount(judged, reserved, unit)
    what, option = ("CPU", "--reserved-cpu") if unit == "cores" else ("memory", "--reserved-memory")
    if judged and amount > judged:
        raise UsageError(
            f"host {host} cannot keep {reserved} of {what} from VMs",
            cause=f"it has {_in_words(total, unit)}" if total else "that is more than there is",
            hint=f"{option} 10% keeps a tenth, 100% all of it",
        )
    if judged and judged - amount > _MOST_PROMISED * judged:
        raise UsageError(
            f"host {host} cannot overcommit its {what} by {reserved.strip().removeprefix('-')}",
            cause=f"{_MOST_PROMISED} times what it has is the most that may be promised",
            hint=f"{option} -100% promises twice what it has, -{(_MOST_PROMISED - 1) * 100}% the most",
        )


def _in_words(total: int, unit: Unit) -> str:
    return f"{format_cpu(total)} cores" if unit == "cores" else format_size(total << 20)


def _share(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 10_000):
        raise UsageError(f"{whole[:40]!r} is no percentage", hint="10% keeps a tenth back, -50% promises half as much again")
    return int(text)
