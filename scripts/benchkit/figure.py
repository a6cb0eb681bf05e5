"""A measured figure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Samples of one thing. `beside` says what it is compared with: a peer's or the machine's own limit, measured too."""

    name: str
    unit: str
    samples: Sequence[float]
    beside: str = ""

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """What a quarter of the samples stay below, and what a quarter exceed."""
        if len(self.samples) == 1:
            return self.samples[0], self.samples[0]
        first, _, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return first, third

    def as_dict(self) -> dict[str, object]:
        """For the JSON report."""
        first, third = self.quartiles
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 4),
            "q1": round(first, 4),
            "q3": round(third, 4),
            "min": round(min(self.samples), 4),
            "samples": len(self.samples),
            "beside": self.beside,
        }
