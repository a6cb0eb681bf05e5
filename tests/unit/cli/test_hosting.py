"""What a command that owned the home says while it lets go."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nebula.cli import hosting
from nebula.cli.hosting import Hosting
from nebula.engine.local.engine import LocalEngine
from tests.support.sim import sim_engine


@pytest.mark.parametrize(("left", "said"), [(False, ""), (True, "stopping at the next safe point")])
def test_a_stop_that_takes_long_is_talked_of_where_work_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: bool, said: str
) -> None:
    closed = LocalEngine.close

    def close_late(engine: LocalEngine) -> None:
        time.sleep(0.2)
        closed(engine)

    monkeypatch.setattr(hosting, "_WHILE", 0.05)
    monkeypatch.setattr(LocalEngine, "close", close_late)
    with sim_engine(tmp_path / "home") as sim:
        monkeypatch.setattr(LocalEngine, "idle", lambda _engine: not left)
        Hosting(sim.engine, lambda _home: None).end()
    heard = capsys.readouterr().err
    assert heard.startswith(said)
    assert bool(heard) == left
