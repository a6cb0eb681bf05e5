"""The product's packing as a rule of the consolidation benchmark."""

from __future__ import annotations

import numpy as np

from nebula.engine.drs.consolidate import Packing, consolidate
from nebula.engine.drs.joint import Fleet

from .consolidation import HOSTS, MEMORY, View

_WINDOW, _REST = 12, 6


class Ours:
    """`consolidate` over the last hour; a VM that moved stays for half an hour."""

    def __init__(self, packing: Packing | None = None) -> None:
        self._packing = packing or Packing()

    def decide(self, view: View) -> list[tuple[int, int]]:
        """See Rule."""
        here = np.flatnonzero(view.at >= 0)
        moves = consolidate(fleet(view), self._packing) if len(here) else []
        return [(int(here[vm]), host) for vm, host in moves]


def fleet(view: View) -> Fleet:
    """What the product sees of a step."""
    here = np.flatnonzero(view.at >= 0)
    return Fleet(
        capacity=view.park.capacity,
        single=view.park.core,
        watts=view.park.watts,
        history=view.seen[here, -_WINDOW:],
        at=view.at[here],
        promised_capacity=np.full((HOSTS, 1), MEMORY),
        promised=view.memory[here][:, None],
        price=view.load.memory[here],
        movable=view.moved[here] <= view.step - _REST,
        open=np.ones(HOSTS, dtype=np.bool_),
    )
