"""The engine as those see it who come through the socket: the kernel says who they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.engine.api.tables import Query
from nebula.engine.api.values import Call
from nebula.errors import DeniedError
from nebula.rpc.client import try_connect
from nebula.rpc.peer import PeerCredentials, user_name
from nebula.rpc.server import Server
from tests.support.sim import Sim, sim_engine

VM = {"NAME": "web", "MEMORY": "64"}


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Sim]:
    with sim_engine(tmp_path / "home", furnished=False) as made:
        yield made


def test_a_stranger_sees_and_changes_their_own_things_only(sim: Sim, tmp_path: Path) -> None:
    sim.engine.vms.create({**VM, "NAME": "theirs"}, Call(actor="somebody"), hold=True)
    place = tmp_path / "engine.sock"
    with Server(sim.engine, place, actor_of=lambda peer: "stranger"):
        engine = try_connect(place, 5.0)
        assert engine is not None
        assert engine.vms.list(Query()).rows == []
        made = engine.vms.create(VM, Call(actor="root", key="k"), hold=True)
        assert engine.vms.create(VM, Call(actor="root", key="k"), hold=True) == made
        assert engine.vms.show("web").body["owner"] == "stranger", "nobody chooses who they are"
        for refused in (
            lambda: engine.vms.show("theirs"),
            lambda: engine.vms.terminate("theirs", Call()),
            lambda: engine.hosts.add({"name": "h", "driver": "sim"}, Call()),
            lambda: engine.system.stop(Call()),
        ):
            with pytest.raises(DeniedError) as caught:
                refused()
            assert caught.value.hint
        assert [row[0] for row in engine.vms.list(Query(columns=("name",))).rows] == ["web"]
        engine.close()


def test_root_and_the_engines_own_user_see_all(sim: Sim, tmp_path: Path) -> None:
    sim.engine.vms.create(VM, Call(actor="somebody"), hold=True)
    place = tmp_path / "engine.sock"
    with Server(sim.engine, place):
        engine = try_connect(place, 5.0)
        assert engine is not None
        assert engine.vms.show("web").body["owner"] == "somebody"
        engine.vms.terminate("web", Call())
        engine.close()
    assert user_name(PeerCredentials(1, os.geteuid(), 0))
