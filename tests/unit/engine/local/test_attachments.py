"""Datastores to which something of the hosts' leads: they can be used when it is made, and go when it is taken away."""

from __future__ import annotations

import pytest

from nebula.engine.store.rows import DatastoreRow
from nebula.errors import UsageError
from tests.support.sim import CALL, Sim

SPEC = {"name": "nfs", "driver": "shared", "settings": {"NFS_AUTO_HOST": "10.0.0.5", "NFS_AUTO_PATH": "/srv/nebula"}}


def test_one_by_nfs_comes_and_goes_with_a_job(sim: Sim) -> None:
    made = sim.engine.datastores.create(SPEC, CALL)
    assert made.job_id
    sim.settle()
    row = sim.rows(DatastoreRow, '"id"=?', (made.id,))[0]
    assert (row.state, row.body["settings"]) == (0, SPEC["settings"])
    assert sim.engine.datastores.remove("nfs", CALL).job_id
    sim.settle()
    assert sim.rows(DatastoreRow, '"id"=?', (made.id,)) == []
    sim.assert_sound()


def test_one_at_a_path_of_the_hosts_needs_none(sim: Sim) -> None:
    assert not sim.engine.datastores.create({"name": "own", "driver": "shared", "path": "/srv/own"}, CALL).job_id


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"name": "x", "driver": "ssh", "export": True, "path": "/srv/x"}, "an export is of a shared datastore"),
        ({"name": "x", "driver": "shared", "export": True}, "an export is of a shared datastore"),
        ({"name": "x", "driver": "shared", "export": True, "path": "/srv/x"}, "no host yet"),
        ({"name": "x", "driver": "shared"}, "needs the path"),
    ],
)
def test_what_cannot_be_is_refused(sim: Sim, spec: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sim.engine.datastores.create(spec, CALL)
