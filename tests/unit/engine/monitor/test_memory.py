"""Which figures are written, and which counters are remembered."""

from __future__ import annotations

import pytest

from nebula.engine.monitor.memory import WRITE_EVERY, Recent
from nebula.model.host import HostSample


@pytest.mark.parametrize(("busy", "writes"), [(True, 3), (False, 2)])
def test_figures_are_due_twice_and_then_seldom_and_never_without_a_vm(busy: bool, writes: int) -> None:
    recent = Recent()
    due = [recent.figures_due(1, second, busy=busy) for second in range(0, int(WRITE_EVERY) + 20, 10)]
    assert due[:2] == [True, True]
    assert sum(due) == writes
    assert recent.figures_due(2, 0.0, busy=busy), "each host for itself"


def test_the_last_sample_is_kept_and_forgotten() -> None:
    recent = Recent()
    first, second = HostSample(taken=1.0), HostSample(taken=2.0)
    assert recent.host(1, first) is None
    assert recent.host(1, second) is first
    assert recent.looks(1) == 2
    recent.forget(1)
    assert recent.looks(1) == 0
    assert recent.host(1, first) is None
