"""What of a host may be promised: its total less what is reserved, or more where it is overcommitted."""

from __future__ import annotations

from nebula.errors import UsageError


def usable(total: int, reserved: str) -> int:
    """`reserved` is empty, an absolute amount in the total's unit ("2048"), or a percentage ("10%"); a negative one
    overcommits ("-50%" promises half as much again), as OpenNebula's RESERVED_CPU and RESERVED_MEM do.
    """
    return max(0, total - reserved_amount(total, reserved))


def reserved_amount(total: int, reserved: str) -> int:
    """The reserved part in the total's unit; negative for overcommitment. UsageError for anything that is no amount."""
    text = reserved.strip()
    if not text:
        return 0
    try:
        if text.endswith("%"):
            share = float(text[:-1])
            if not -10_000 <= share <= 100:
                raise ValueError
            return round(total * share / 100)
        return int(text)
    except ValueError:
        raise UsageError(
            f"{reserved[:40]!r} is no amount to reserve", cause="a number, or a percentage up to 100%", hint="10%, 2048 or -50%"
        ) from None
