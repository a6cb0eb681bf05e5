"""The monitor watches all hosts, whatever happened while it was told of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.engine.monitor.loop import Monitor
from nebula.errors import UnreachableError
from tests.support.sim import sim_engine, until


def test_a_host_is_watched_although_the_database_was_away_when_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sim_engine(tmp_path / "home", furnished=False) as sim:
        adjust, tries = Monitor._adjust, list[int]()

        def away(monitor: Monitor) -> None:
            tries.append(1)
            if len(tries) <= 2:
                raise UnreachableError("the engine's database does not answer")
            adjust(monitor)

        monkeypatch.setattr(Monitor, "_adjust", away)
        sim.add_hosts("late")
        until(lambda: sim.engine.monitor.figures.newest("host"), "figures of the host")
