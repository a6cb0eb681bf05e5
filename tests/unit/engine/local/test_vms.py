"""Virtual machines on simulated hosts, verb by verb."""

from __future__ import annotations

import msgspec
import pytest

from nebula.engine.api.values import Query
from nebula.errors import CapacityError, CommandError, ConflictError, WrongStateError
from tests.support.sim import CALL, Sim, template, until


def test_the_whole_life(sim: Sim) -> None:
    sim.add_vm("one", hold=True)
    assert sim.state("one") == "HOLD"
    sim.engine.vms.release("one", CALL)
    sim.settle()
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [sim.where("one")])
    for hard in (False, True):
        sim.engine.vms.reboot("one", CALL, hard=hard)
        sim.settle()
        sim.engine.vms.poweroff("one", CALL, hard=hard)
        sim.settle()
        assert (sim.state("one"), sim.vm("one").reason, sim.runs("one")) == ("POWEROFF", "by tester", [])
        sim.engine.vms.resume("one", CALL)
        sim.settle()
        assert sim.state("one") == "RUNNING"
    sim.engine.vms.rename("one", "two", CALL)
    sim.engine.vms.update("two", {"AUTOSTART": "YES", "colour": "blue"}, CALL)
    assert sim.engine.vms.show("two").body["autostart"] is True
    sim.engine.vms.update("two", {"COLOUR": None}, CALL)
    assert "COLOUR" not in sim.engine.vms.show("two").body["template"]
    sim.engine.vms.terminate("two", CALL)
    sim.settle()
    assert sim.state("two") == "DONE"
    assert sim.engine.vms.list(Query()).rows == []
    assert len(sim.engine.vms.list(Query(done=True)).rows) == 1
    sim.assert_sound()


def test_hold_and_release_while_it_waits(sim: Sim) -> None:
    sim.add_vm("one", MEMORY="1T")
    assert sim.state("one") == "PENDING"
    assert "short of memory" in sim.engine.vms.describe("one").body["waiting"]["summary"]
    sim.engine.vms.hold("one", CALL)
    assert sim.engine.vms.describe("one").body["waiting"]["summary"] == "on hold until it is released"
    sim.engine.vms.release("one", CALL)
    sim.settle()
    assert sim.state("one") == "PENDING"


@pytest.mark.parametrize("live", [True, False])
def test_migrate(sim: Sim, live: bool) -> None:
    sim.add_vm("one", HOST="h1")
    sim.engine.vms.migrate("one", "h2", CALL, live=live)
    sim.settle()
    assert (sim.state("one"), sim.where("one"), sim.runs("one")) == ("RUNNING", "h2", ["h2"])
    with pytest.raises(ConflictError, match="already"):
        sim.engine.vms.migrate("one", "h2", CALL, live=live)
    sim.engine.vms.migrate("one", "", CALL, live=live)
    sim.settle()
    assert sim.where("one") != "h2"
    rows = sim.engine.vms.history("one").rows
    assert [row[1] for row in rows] == ["h1", "h2", sim.where("one")]
    sim.assert_sound()


def test_migrate_while_off(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    with pytest.raises(WrongStateError):
        sim.engine.vms.migrate("one", "h3", CALL, live=True)
    sim.engine.vms.migrate("one", "h3", CALL)
    sim.settle()
    assert (sim.state("one"), sim.where("one")) == ("POWEROFF", "h3")
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert sim.runs("one") == ["h3"]
    sim.assert_sound()


def test_a_guest_that_ignores_the_button(sim: Sim) -> None:
    sim.world.guests.order("one", ignores_shutdown=True)
    sim.restart(msgspec.structs.replace(sim.settings, guest_shutdown=0.1))
    sim.add_vm("one")
    job = sim.engine.vms.poweroff("one", CALL).job_id
    sim.settle()
    assert sim.job(job).error["code"] == "timed_out"
    assert "--hard" in sim.job(job).error["hint"]
    assert (sim.state("one"), len(sim.runs("one"))) == ("RUNNING", 1)


def test_a_guest_that_misses_the_button_is_asked_again(sim: Sim) -> None:
    sim.restart(msgspec.structs.replace(sim.settings, guest_asked_again=0.0))
    sim.add_vm("one")
    sim.world.faults.error("*", "hypervisor.shutdown", "conflict", times=2)
    job = sim.engine.vms.poweroff("one", CALL).job_id
    sim.settle()
    assert (sim.job(job).state, sim.state("one"), sim.world.faults.pending()) == ("done", "POWEROFF", 0)


@pytest.mark.parametrize("operation", ["delete", "recreate", "delete-db"])
def test_recover_a_running_vm(sim: Sim, operation: str) -> None:
    sim.add_vm("one")
    sim.engine.vms.recover("one", operation, CALL)  # type: ignore[arg-type]
    sim.settle()
    assert sim.state("one") == ("RUNNING" if operation == "recreate" else "DONE")
    if operation != "delete-db":
        sim.assert_sound()


@pytest.mark.parametrize(
    ("operation", "end"), [("retry", "RUNNING"), ("delete", "DONE"), ("recreate", "RUNNING"), ("delete-db", "DONE")]
)
def test_recover_a_failed_one(sim: Sim, operation: str, end: str) -> None:
    sim.world.faults.error("*", "hypervisor.start", "command")
    sim.add_vm("one")
    assert sim.state("one") == "BOOT_FAILURE"
    sim.engine.vms.recover("one", operation, CALL)  # type: ignore[arg-type]
    sim.settle()
    assert sim.state("one") == end
    sim.assert_sound()


def test_terminate_in_every_resting_state(sim: Sim) -> None:
    sim.add_vm("held", hold=True)
    sim.add_vm("waits", MEMORY="1T")
    sim.add_vm("off")
    sim.engine.vms.poweroff("off", CALL)
    sim.settle()
    sim.add_vm("paused")
    sim.world.virsh(sim.where("paused"), "suspend", sim.vm("paused").uuid)
    sim.await_state("paused", "SUSPENDED")
    sim.world.faults.error("*", "datastore.create_disk", "capacity")
    sim.add_vm("failed")
    for name in ("held", "waits", "off", "paused", "failed"):
        sim.engine.vms.terminate(name, CALL)
    sim.settle()
    assert {sim.state(name) for name in ("held", "waits", "off", "paused", "failed")} == {"DONE"}
    sim.assert_sound()


def test_console_and_graphics(sim: Sim) -> None:
    sim.add_vm("one")
    console = sim.engine.vms.console("one")
    assert b"login" in console.read(5)
    console.close()
    with pytest.raises(CommandError, match="forward failed on host"):
        sim.engine.vms.graphics("one")  # a simulated guest shows nothing; the way to it is asked for


def test_the_log_tells_the_story(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    text = "\n".join(line.text for line in sim.engine.vms.log("one"))
    for words in ("PENDING → PROLOG", "BOOT → RUNNING", "SHUTDOWN_POWEROFF → POWEROFF", "by tester", "deploy on h"):
        assert words in text


def test_a_vm_whose_host_was_removed_says_so_and_can_go_elsewhere(sim: Sim) -> None:
    sim.engine.hosts.disable("h3", CALL)
    vm = sim.add_vm("one", HOST="h3")
    sim.engine.hosts.remove("h3", CALL)
    sim.settle()
    waiting = sim.engine.vms.describe("one").body["waiting"]
    assert waiting["summary"] == "the host that was asked for is gone"
    assert waiting["hint"] == f"nebula vm deploy {vm.id} --host HOST"
    sim.engine.vms.deploy("one", "h1", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"


def test_why_a_vm_waits_can_be_sent(sim: Sim) -> None:
    sim.add_vm("large", MEMORY="1T")
    detail = sim.engine.vms.describe("large")
    assert set(detail.body["waiting"]["hosts"]) == {"h1", "h2", "h3"}
    assert msgspec.json.decode(msgspec.json.encode(detail))["body"]["waiting"] == detail.body["waiting"]


def test_describe_names_the_verbs_that_work(sim: Sim) -> None:
    sim.add_vm("one")
    allowed = sim.engine.vms.describe("one").body["allowed"]
    assert "poweroff" in allowed
    assert "resume" not in allowed


def test_a_persistent_image_belongs_to_one_vm(sim: Sim) -> None:
    sim.add_image("data", persistent=True)
    sim.add_vm("one", DISK=[{"IMAGE": "data"}], HOST="h1")
    with pytest.raises(ConflictError, match="persistent"):
        sim.engine.vms.create(template("two", DISK=[{"IMAGE": "data"}]), CALL)
    with pytest.raises(ConflictError, match="persistent"):
        sim.engine.vms.create(template("two", DISK=[{"IMAGE": "data"}, {"IMAGE": "data"}]), CALL)
    with pytest.raises(ConflictError, match="in use"):
        sim.engine.images.persistent("data", False, CALL)
    with pytest.raises(ConflictError, match="in use"):
        sim.engine.images.remove("data", CALL)
    sim.engine.vms.migrate("one", "h2", CALL, live=True)
    sim.settle()
    assert sim.engine.images.show("data").body["copies_on"] == ["h2"]
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert sim.image("data").state == 1
    sim.add_vm("two", DISK=[{"IMAGE": "data"}])
    assert sim.state("two") == "RUNNING"
    sim.assert_sound()


def test_a_vm_waits_for_its_image(sim: Sim) -> None:
    sim.world.faults.hang("*", "datastore.create_empty")
    sim.engine.images.create({"name": "slow", "size": 1 << 20, "datastore": "disks"}, CALL)
    until(sim.world.faults.hanging, "a hanging call")
    sim.engine.vms.create(template("one", DISK=[{"IMAGE": "slow"}]), CALL)
    assert sim.state("one") == "CLONING"
    sim.world.faults.release()
    sim.await_state("one", "RUNNING")
    sim.settle()
    sim.assert_sound()


def test_a_vm_whose_image_fails(sim: Sim) -> None:
    order = sim.world.faults.hang("*", "datastore.create_empty", when="after")
    sim.engine.images.create({"name": "slow", "size": 1 << 20, "datastore": "disks"}, CALL)
    until(sim.world.faults.hanging, "a hanging call")
    sim.engine.vms.create(template("one", DISK=[{"IMAGE": "slow"}]), CALL)
    job = sim.engine.jobs.list(Query(columns=("id",), filters=(("kind", "=", "image.create"), ("state", "=", "running")))).rows[
        0
    ][0]
    sim.engine.jobs.cancel(job, CALL)
    sim.world.faults.release(order)
    sim.settle()
    assert sim.image("slow").state in {1, 5}
    if sim.image("slow").state == 5:
        assert sim.state("one") == "CLONING_FAILURE"
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    sim.assert_sound()


# --- capacity


@pytest.mark.parametrize(("reserved", "vms"), [("", 4), ("16384", 3), ("50%", 2), ("100%", 0), ("-16384", 5), ("-100%", 8)])
def test_reserved_memory(bare: Sim, reserved: str, vms: int) -> None:
    bare.add_hosts("h1", reserved_memory=reserved)
    for number in range(9):
        bare.engine.vms.create({"NAME": f"vm{number}", "MEMORY": 16384, "CPU": 0.1}, CALL)
    bare.settle()
    assert sum(bare.state(f"vm{number}") == "RUNNING" for number in range(9)) == vms
    bare.engine.hosts.update("h1", {"reserved_memory": "-300%"}, CALL)
    bare.settle()
    assert all(bare.state(f"vm{number}") == "RUNNING" for number in range(9))


def test_a_migration_on_its_way_counts_on_both_hosts(bare: Sim) -> None:
    bare.add_hosts("h1", "h2")
    bare.engine.datastores.create({"name": "disks", "driver": "sim", "settings": {"shared": "True"}}, CALL)
    bare.engine.vms.create({"NAME": "one", "MEMORY": 40960, "HOST": "h1"}, CALL)
    bare.settle()
    order = bare.world.faults.hang("h1", "hypervisor.migrate")
    bare.engine.vms.migrate("one", "h2", CALL, live=True)
    until(bare.world.faults.hanging, "a hanging call")
    bare.engine.vms.create({"NAME": "two", "MEMORY": 40960}, CALL, hold=True)
    for host in ("h1", "h2"):
        with pytest.raises(CapacityError):
            bare.engine.vms.deploy("two", host, CALL)
    bare.world.faults.release(order)
    bare.settle()
    bare.engine.vms.deploy("two", "h1", CALL)
    bare.settle()
    assert (bare.where("one"), bare.where("two")) == ("h2", "h1")
