"""Sets of CPUs as kernels and libvirt write them: 0-3,8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

_MOST = 8192


def cpus_of(text: str) -> tuple[int, ...]:
    """Their numbers; what is no number is left out."""
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.strip().partition("-")
        if all(word.isascii() and word.isdecimal() and len(word) < 6 for word in (first, last or first)):
            found.extend(range(int(first), min(int(last or first), _MOST) + 1))
    return tuple(found)


def listed(cpus: Iterable[int]) -> str:
    """The numbers as a set."""
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in _runs(sorted(set(cpus))))


def _runs(cpus: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for end in range(1, len(cpus) + 1):
        if end == len(cpus) or cpus[end] != cpus[end - 1] + 1:
            yield cpus[begin], cpus[end - 1]
            begin = end
