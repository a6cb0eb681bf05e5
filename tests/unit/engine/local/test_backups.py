"""Backups of VMs on simulated hosts."""

from __future__ import annotations

from typing import Any

import pytest

from nebula.engine.api.values import Query
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import BackupRow, VmRow
from nebula.errors import ConflictError, NotFoundError, UsageError, WrongStateError
from tests.support.sim import CALL, DRY, Sim, until

DISKS: list[dict[str, Any]] = [{"IMAGE": "base", "FORMAT": "qcow2"}, {"SIZE": 8, "FORMAT": "qcow2"}]


def vault(sim: Sim, name: str = "vault", **settings: str) -> None:
    sim.engine.datastores.create({"name": name, "type": "backup", "driver": "sim", **settings}, CALL)


def back_up(sim: Sim, **options: Any) -> BackupRow:
    sim.engine.vms.backup("one", CALL, **options)
    sim.settle()
    return rows(sim)[-1]


def rows(sim: Sim) -> list[BackupRow]:
    return list(sim.engine.services.store.read().select(BackupRow, '1=1 ORDER BY "id"'))


def checkpoints(sim: Sim) -> list[str]:
    return [name for (name,) in sim.world.db.all("SELECT name FROM checkpoints ORDER BY name")]


def kept(sim: Sim) -> list[str]:
    return [snapshot for (snapshot,) in sim.world.db.all("SELECT snapshot FROM repository ORDER BY id")]


def contents(sim: Sim, kind: str) -> list[tuple[str, int]]:
    return [(str(a), int(b)) for a, b in sim.world.db.all("SELECT content, generation FROM files WHERE kind=?", kind)]


def power(sim: Sim, *verbs: str) -> None:
    for verb in verbs:
        getattr(sim.engine.vms, verb)("one", CALL)
        sim.settle()


def test_a_further_one_has_what_changed_and_is_whole(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    first, second = back_up(sim), back_up(sim)
    assert (first.kind, first.reason, second.kind, second.reason) == ("full", "it is the first one", "increment", "")
    assert second.stored < first.stored
    assert [file["name"] for file in second.body["files"]] == ["disk.0.0", "disk.0.1"], "a disk of no image is not in it"
    assert second.body["disks"][0]["files"] == ["disk.0.0", "disk.0.1"]
    assert kept(sim) == [first.snapshot, second.snapshot]
    assert len(checkpoints(sim)) == 1, "one moment is remembered, that of the last one"
    assert sim.state("one") == "RUNNING"
    third = back_up(sim, full=True)
    assert (third.kind, third.reason, third.body["disks"][0]["files"]) == ("full", "it was asked for", ["disk.0.0"])
    sim.assert_sound()


def test_what_stands_against_building_on_the_one_before(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    back_up(sim)
    sim.engine.vms.migrate("one", "", CALL, live=True)
    sim.settle()
    assert back_up(sim).reason == "the VM came to another host since"
    assert back_up(sim).kind == "increment"
    sim.engine.vms.disk_snapshot_create("one", "0", "clean", CALL)
    sim.settle()
    assert back_up(sim).reason == "its disks were changed since"
    vault(sim, "other")
    assert back_up(sim, datastore="other").reason == "the last backup is in another datastore"
    sim.engine.backups.remove(str(rows(sim)[-1].id), CALL)
    sim.settle()
    assert back_up(sim, datastore="other").reason == "the last backup was deleted"
    sim.world.db.run("DELETE FROM checkpoints")
    lost = back_up(sim)
    assert lost.kind == "full"
    assert "does not know any more" in lost.reason
    power(sim, "poweroff")
    off = back_up(sim)
    assert (off.kind, off.reason, sim.state("one")) == ("full", "the VM is off: its disks are copied as they are", "POWEROFF")
    power(sim, "resume")
    assert back_up(sim).reason == "the last one was of the VM while it was off"
    assert len(checkpoints(sim)) == 1
    sim.assert_sound()


def test_raw_disks_are_copied_whole_each_time(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=[{"IMAGE": "base", "FORMAT": "raw"}])
    back_up(sim)
    again = back_up(sim)
    assert again.kind == "full"
    assert "is raw" in again.reason
    assert checkpoints(sim) == []


def test_another_vm_of_a_backup(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=[{"IMAGE": "base", "FORMAT": "qcow2"}], HOST="h3")
    made = back_up(sim)
    was = contents(sim, "disk")
    assert sim.engine.backups.restore(str(made.id), DRY).would
    sim.engine.backups.restore(str(made.id), CALL, name="two")
    sim.settle()
    until(lambda: sim.state("two") == "RUNNING", "the restored VM")
    image = sim.engine.images.show("two-disk-0").body
    assert (image["persistent"], image["state"]) == (True, "USED_PERS")
    assert was[0][0] in {content for content, _ in contents(sim, "image")}
    assert sim.engine.vms.show("two").body["nics"][0]["mac"] != sim.engine.vms.show("one").body["nics"][0]["mac"]
    sim.assert_sound()


def test_a_vm_gets_its_disks_back(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    made = back_up(sim)
    written = dict(contents(sim, "disk"))
    with pytest.raises(ConflictError, match="cannot be replaced under it"):
        sim.engine.vms.restore("one", str(made.id), CALL)
    power(sim, "poweroff", "resume", "poweroff")
    assert dict(contents(sim, "disk")) != written
    sim.engine.vms.restore("one", str(made.id), CALL)
    assert sim.state("one") == "RESTORE"
    sim.settle()
    first = next(iter(written))
    assert (sim.state("one"), dict(contents(sim, "disk"))[first]) == ("POWEROFF", written[first])
    power(sim, "resume")
    assert back_up(sim).reason == "its disks were restored since"
    sim.assert_sound()


def test_a_backup_outlives_its_vm(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    made = back_up(sim)
    sim.engine.vms.terminate("one", CALL, hard=True)
    sim.settle()
    sim.engine.backups.restore(str(made.id), CALL)
    sim.settle()
    until(lambda: sim.state("one-restored") == "RUNNING", "the restored VM")
    with pytest.raises(NotFoundError):
        sim.engine.vms.restore("one", str(made.id), CALL)
    with pytest.raises(ConflictError, match="is in use"):
        sim.engine.datastores.remove("vault", CALL)


def test_a_damaged_one_is_found(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    made = back_up(sim)
    sim.engine.backups.verify(str(made.id), CALL)
    sim.settle()
    assert sim.engine.backups.show(str(made.id)).body["verified"]
    sim.world.db.run("UPDATE repository SET damaged=1")
    sim.engine.backups.verify(str(made.id), CALL)
    sim.settle()
    assert rows(sim)[0].state == "damaged"
    assert back_up(sim).reason == "the last backup is damaged"
    sim.assert_sound()


def test_what_need_not_be_kept_is_forgotten(sim: Sim) -> None:
    vault(sim, keep_last="2")
    sim.add_vm("one", DISK=DISKS)
    made = [back_up(sim).snapshot for _ in range(4)]
    assert kept(sim) == made[2:]
    assert [row.snapshot for row in rows(sim)] == made[2:]
    assert back_up(sim).kind == "increment"
    sim.engine.vms.update("one", {"BACKUP_CONFIG": {"KEEP_LAST": "1"}}, CALL)
    sim.engine.backups.forget("vault", CALL)
    sim.settle()
    assert len(rows(sim)) == len(kept(sim)) == 1
    sim.assert_sound()


def test_cancelled_it_leaves_nothing_and_the_next_one_builds_on_the_one_before(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    back_up(sim)
    sim.world.set("backup_seconds", 60.0)
    job = sim.engine.vms.backup("one", CALL).job_id
    until(lambda: sim.world.db.one("SELECT 1 FROM backups WHERE ends>0 AND checkpoint=?", f"nebula-{job}"), "its beginning")
    with pytest.raises(WrongStateError):
        sim.engine.vms.backup("one", CALL)
    sim.engine.jobs.cancel(job, CALL)
    sim.settle()
    assert (sim.state("one"), len(rows(sim)), len(checkpoints(sim)), len(kept(sim))) == ("RUNNING", 1, 1, 1)
    sim.world.set("backup_seconds", 0.0)
    assert back_up(sim).kind == "increment"
    sim.assert_sound()


def test_a_guest_that_ends_in_the_middle(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    back_up(sim)
    sim.world.set("backup_seconds", 60.0)
    job = sim.engine.vms.backup("one", CALL).job_id
    until(lambda: sim.world.db.one("SELECT 1 FROM backups WHERE checkpoint=?", f"nebula-{job}"), "its beginning")
    vm = sim.engine.vms.show("one").body
    sim.world.virsh(vm["host"], "destroy", vm["uuid"])
    until(lambda: sim.state("one") == "POWEROFF", "the end")
    assert "were not copied whole" in sim.engine.jobs.show(job).error["message"]
    sim.world.set("backup_seconds", 0.0)
    power(sim, "resume")
    assert back_up(sim).reason == "the one before failed"
    sim.assert_sound()


def test_file_systems_are_at_rest_where_an_agent_answers(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS, FEATURES={"GUEST_AGENT": "YES"})
    assert back_up(sim).body["quiet"]
    for asked in ("NONE", "SUSPEND"):
        sim.engine.vms.update("one", {"BACKUP_CONFIG": {"FS_FREEZE": asked}}, CALL)
        assert not back_up(sim).body["quiet"]
    assert sim.world.db.all("SELECT * FROM frozen") == []


def test_a_schedule_backs_up(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    sim.engine.schedules.create("one", {"action": "backup", "time": "now", "args": "vault,full"}, CALL)
    until(lambda: rows(sim), "the backup")
    assert rows(sim)[0].reason == "it was asked for"


def test_what_is_refused(sim: Sim) -> None:
    sim.add_vm("one", DISK=[{"IMAGE": "base", "READONLY": "YES"}])
    with pytest.raises(ConflictError, match="no datastore for backups"):
        sim.engine.vms.backup("one", CALL)
    vault(sim)
    with pytest.raises(ConflictError, match="no disk that a backup could be of"):
        sim.engine.vms.backup("one", CALL)
    sim.engine.vms.update("one", {"BACKUP_CONFIG": {"DISK_IDS": "0"}}, CALL)
    vault(sim, "other")
    with pytest.raises(UsageError, match="there are 2 datastores for backups"):
        sim.engine.vms.backup("one", CALL)
    with pytest.raises(UsageError, match="is of type"):
        sim.engine.vms.backup("one", CALL, datastore="default")
    sim.engine.datastores.create(
        {"name": "real", "type": "backup", "path": "/srv/backups", "password": "not for everybody"}, CALL
    )
    with pytest.raises(ConflictError) as told:
        sim.engine.vms.backup("one", CALL, datastore="real")
    assert "its driver is restic, and host" in told.value.cause
    with pytest.raises(UsageError, match="8 characters"):
        sim.engine.datastores.create({"name": "open", "type": "backup", "path": "/srv/b", "password": "short"}, CALL)
    shown = sim.engine.datastores.show("real").body
    assert "not for everybody" not in str(shown)
    assert back_up(sim, datastore="vault").kind == "full"
    assert machine_of(sim.engine.services.store.read().first(VmRow, '"name"=?', ("one",))).chain is not None  # type: ignore[arg-type]


def test_a_host_that_has_backups_stays_and_documents_name_it(sim: Sim) -> None:
    vault(sim, host="h3", keep_last="2")
    document = next(item.body for item in sim.engine.declarations.export(["datastore"]) if item.name == "vault")
    assert document["settings"] == {"host": "h3", "keep_last": "2"}
    told = {**document, "settings": {"host": "h3", "keep_last": 2}}
    assert [found.action for found in sim.engine.declarations.compare([told])] == [""]
    with pytest.raises(ConflictError) as refused:
        sim.engine.hosts.remove("h3", CALL)
    assert "the backups of datastore vault" in refused.value.cause


def test_they_are_listed(sim: Sim) -> None:
    vault(sim)
    sim.add_vm("one", DISK=DISKS)
    made = back_up(sim)
    listing = sim.engine.backups.list(Query(columns=("id", "name", "datastore", "kind", "state")))
    assert listing.rows == [[made.id, "one", "vault", "full", "ready"]]
