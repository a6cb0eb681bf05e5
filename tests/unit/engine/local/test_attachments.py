"""Datastores to which something of the hosts' leads: they can be used when it is made, and go when it is taken away."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore import nfsexport
from nebula.drivers.datastore.shared import SharedDatastore
from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CommandError, UsageError
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


@pytest.mark.parametrize("broken", [False, True])
def test_it_goes_from_a_host_that_only_missed_a_look_too(sim: Sim, monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    told: list[str] = []

    def detach(_: SharedDatastore, host: HostHandle) -> None:
        told.append(host.name)
        if broken:
            raise CommandError(host.name, ["umount"], 1, "no umount here")

    monkeypatch.setattr(SharedDatastore, "detach", detach)
    row = HostRow(name="r1", cluster_id=1, state=int(HostState.ERROR), transport="local")
    sim.engine.services.store.write(partial(Transaction.insert, row=row))
    sim.engine.datastores.create(SPEC, CALL)
    sim.settle()
    sim.engine.datastores.remove("nfs", CALL)
    sim.settle()
    assert told == ["r1"]
    assert sim.rows(DatastoreRow, "\"name\"='nfs'") == [], "a broken host does not keep it"


def test_one_at_a_path_of_the_hosts_needs_none(sim: Sim) -> None:
    assert not sim.engine.datastores.create({"name": "own", "driver": "shared", "path": "/srv/own"}, CALL).job_id


def test_an_export_of_this_machine_is_for_its_hosts_and_goes_with_the_datastore(
    sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports, data = tmp_path / "exports.d", tmp_path / "data"
    monkeypatch.setattr(nfsexport, "EXPORTS", str(exports))
    for name in ("exportfs", "systemctl"):  # the kernel's server is not there for the tests
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for number in (1, 2):
        row = HostRow(name=f"r{number}", cluster_id=1, state=int(HostState.OFFLINE), address=f"10.0.0.{number}")
        sim.engine.services.store.write(partial(Transaction.insert, row=row))
    spec = {"name": "own", "driver": "shared", "path": str(data), "export": True, "settings": {"NFS_AUTO_HOST": "10.0.0.9"}}
    sim.engine.datastores.create(spec, CALL)
    sim.settle()
    (file,) = exports.iterdir()
    assert file.read_text() == f"{data} 10.0.0.1({nfsexport.OPTIONS}) 10.0.0.2({nfsexport.OPTIONS})\n"
    sim.engine.datastores.remove("own", CALL)
    sim.settle()
    assert (list(exports.iterdir()), data.is_dir()) == ([], True)
    assert sim.rows(DatastoreRow, "\"name\"='own'") == []


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
