"""Sizes, CPUs and times as people write them, and back.

Sizes count in powers of 1024, with or without "B" or "iB" ("2G", "512MiB", "1.5T"); a bare number has the unit that
the caller names.
"""

from __future__ import annotations

import re

from nebula.errors import UsageError

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
LARGEST = (1 << 63) - 1
"""What a database's integer holds."""
_FACTORS = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB, "P": 1 << 50}
_SIZE = r"(?ai)([0-9]{1,20})(?:\.([0-9]{1,20}))?\s*(?:([KMGTP])(?:I?B)?|(B))?"
_CPU = r"(?a)([0-9]{1,7})(?:\.([0-9]{1,2})0*)?"
_DURATION = r"(?a)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?"
"""Compiled when something is read, and kept by `re`; a list only writes."""
_SECONDS = (86400, 3600, 60, 1)


def parse_size(text: str, *, unit: str = "", what: str = "size") -> int:
    """Bytes. `unit` is what a number without one counts in: "" bytes, else K, M, G, T or P.

    Raises UsageError for anything else, and for more than a database's integer holds.
    """
    found = re.fullmatch(_SIZE, text.strip())
    if found is None:
        raise UsageError(f"{text[:60]!r} is no {what}", hint="write it like 512M, 2G or 1.5T")
    factor = _FACTORS[(found[3] or found[4] or unit).upper()]
    fraction = found[2] or ""
    value = int(found[1]) * factor + int(fraction or 0) * factor // int(f"1{'0' * len(fraction)}")
    if value > LARGEST:
        raise UsageError(f"{text[:60]!r} is too much: no {what}", hint="write it like 512M, 2G or 1.5T")
    return value


def can_be_size(text: str) -> bool:
    """Whether `parse_size` might take the text."""
    return re.fullmatch(_SIZE, text.strip()) is not None


def parse_mib(text: str, *, what: str = "amount of memory") -> int:
    """MiB; a bare number is in MiB. Raises UsageError also where the size is not a whole number of MiB, or zero."""
    size = parse_size(text, unit="M", what=what)
    if size < MIB or size % MIB:
        raise UsageError(f"{text!r} is not a whole number of MiB", hint="write it like 512M or 2G")
    return size // MIB


def exact_size(size: int) -> str:
    """The size in the largest unit that says it exactly: 1536M, 2G; `parse_size` reads it back."""
    for letter in "PTGMK":
        if size and size % _FACTORS[letter] == 0:
            return f"{size // _FACTORS[letter]}{letter}"
    return f"{size}B"


def format_size(size: int) -> str:
    """The size for a person, one digit behind the point: 2.0G."""
    value, unit = float(size), "B"
    for letter in "KMGTP":
        if abs(value) < 1024:
            break
        value, unit = value / 1024, letter
    return f"{size}B" if unit == "B" else f"{value:.1f}{unit}"


def parse_cpu(text: str) -> int:
    """Hundredths of a core from a number of cores with at most two digits behind the point ("0.5" -> 50)."""
    found = re.fullmatch(_CPU, text.strip())
    if found is None:
        raise UsageError(f"{text!r} is not a number of CPUs", hint="write it like 2 or 0.5")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def format_cpu(hundredths: int) -> str:
    """Cores from hundredths of a core: 50 -> 0.5, 200 -> 2."""
    sign, rest = ("-", -hundredths) if hundredths < 0 else ("", hundredths)
    whole, part = divmod(rest, 100)
    return f"{sign}{whole}.{part:02d}".rstrip("0").rstrip(".")


def parse_duration(text: str) -> int:
    """Seconds from "90", "90s", "5m", "1h30m" or "2d"."""
    wanted = text.strip()
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= 10:
        return int(wanted)
    found = re.fullmatch(_DURATION, wanted)
    if not wanted or found is None:
        raise UsageError(f"{text!r} is not a duration", hint="write it like 90s, 5m, 1h30m or 2d")
    return sum(int(count or 0) * unit for count, unit in zip(found.groups(), _SECONDS, strict=True))


def format_duration(seconds: float) -> str:
    """The two largest units that are not zero: 45s, 1h4m, 3d2h."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit, letter in zip(_SECONDS, "dhms", strict=True):
        count, rest = divmod(rest, unit)
        if count or parts:
            parts.append(f"{count}{letter}" if count else "")
    return "".join(parts[:2]) or "0s"


def exact_duration(seconds: int) -> str:
    """Every unit that is not zero: 1d2h3m4s; `parse_duration` reads it back."""
    rest, text = max(0, seconds), ""
    for unit, letter in zip(_SECONDS, "dhms", strict=True):
        count, rest = divmod(rest, unit)
        text += f"{count}{letter}" if count else ""
    return text or "0s"
