"""The verbs of metrics."""

from __future__ import annotations

from typing import Protocol

from nebula.engine.api.values import Listing


class Metrics(Protocol):
    """What was measured of VMs and hosts."""

    def top(self, kind: str) -> Listing:
        """The newest figures of all running VMs ("vm") or all hosts ("host"), busiest first; units as metrics/kinds.py says."""
        ...

    def series(self, kind: str, ref: str, since: float, step: int = 300) -> Listing:
        """The history of one of them since a moment, oldest first: means and maxima of slots of 300 or 3,600 seconds. `step` 0:
        the last ten minutes as they were measured, for as long as the engine that answers has measured.
        """
        ...
