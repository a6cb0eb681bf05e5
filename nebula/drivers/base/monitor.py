"""The contract of drivers that count what a host does."""

from __future__ import annotations

from typing import Protocol

from nebula.drivers.base.host import HostHandle
from nebula.model.host import HostSample


class Monitor(Protocol):
    """Counters of a host."""

    def sample(self, host: HostHandle, *, hardware: bool = False) -> HostSample:
        """One round trip; with `hardware` it also brings what changes seldom."""
        ...
