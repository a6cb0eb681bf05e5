"""What happens on hosts behind the engine's back, and what is shown of it."""

from __future__ import annotations

import pytest

from nebula.model.domain import DomainEvent
from tests.support.sim import CALL, Sim, until


@pytest.mark.parametrize(
    ("deed", "state", "reason"),
    [
        ("destroy", "POWEROFF", "destroyed"),
        ("shutdown", "POWEROFF", "shutdown"),
        ("suspend", "SUSPENDED", "paused by a person"),
    ],
)
def test_somebody_with_virsh(sim: Sim, deed: str, state: str, reason: str) -> None:
    sim.add_vm("one")
    sim.world.virsh(sim.where("one"), deed, sim.vm("one").uuid)
    sim.await_state("one", state)
    assert sim.vm("one").reason == reason
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [sim.where("one")])
    sim.assert_sound()


def test_started_and_resumed_behind_our_back(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.poweroff("one", CALL)
    sim.settle()
    host, uuid = sim.where("one"), sim.vm("one").uuid
    sim.world.hosts.add_bridge(host, sim.network("lan").bridge, owned=True)
    sim.world.virsh(host, "start", uuid)
    sim.await_state("one", "RUNNING")
    sim.world.virsh(host, "suspend", uuid)
    sim.await_state("one", "SUSPENDED")
    sim.world.virsh(host, "resume", uuid)
    sim.await_state("one", "RUNNING")


def test_a_crash_is_poweroff_that_says_crashed(sim: Sim) -> None:
    sim.add_vm("one")
    sim.world.guests.crash(sim.vm("one").uuid)
    sim.await_state("one", "POWEROFF")
    assert sim.vm("one").reason == "crashed"


def test_a_full_disk_is_running_with_an_alarm(sim: Sim) -> None:
    sim.add_vm("one")
    sim.world.guests.io_error(sim.vm("one").uuid, "/var/lib/nebula/disk")
    until(lambda: sim.vm("one").alarm, "an alarm")
    assert (sim.state("one"), sim.vm("one").reason) == ("RUNNING", "io_error")
    sim.world.virsh(sim.where("one"), "resume", sim.vm("one").uuid)
    until(lambda: not sim.vm("one").alarm, "the end of the alarm")
    assert sim.state("one") == "RUNNING"


def test_a_vm_that_somebody_moved_is_never_adopted(sim: Sim) -> None:
    sim.engine.datastores.create({"name": "common", "driver": "sim", "settings": {"shared": "True"}}, CALL)
    sim.engine.images.create({"name": "shared", "size": 1 << 20, "datastore": "common"}, CALL)
    sim.settle()
    sim.add_vm("one", HOST="h1", DISK=[{"IMAGE": "shared"}])
    sim.world.hosts.add_bridge("h2", sim.network("lan").bridge)
    sim.world.virsh("h1", "migrate", sim.vm("one").uuid, to="h2")
    until(lambda: sim.runs("one") == ["h2"], "the move")
    sim.await_state("one", "UNKNOWN")
    assert sim.where("one") == "h1"
    until(lambda: "h2" in sim.vm("one").reason, "a reason that names the host")
    until(lambda: any(event.kind == "host.finding" for event in sim.engine.events.list(limit=10_000)), "a finding")
    job = sim.engine.vms.resume("one", CALL).job_id
    sim.settle()
    assert sim.job(job).state == "failed", "it must not be started twice"
    assert sim.world.double_runs() == []
    sim.world.virsh("h2", "migrate", sim.vm("one").uuid, to="h1")
    sim.await_state("one", "RUNNING")


def test_a_silent_host_makes_unknown_and_never_poweroff(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.add_vm("off", HOST="h1")
    sim.engine.vms.poweroff("off", CALL)
    sim.settle()
    for _ in range(2):
        sim.world.hosts.set_reachable("h1", False)
        sim.await_host("h1", 3)
        sim.await_state("one", "UNKNOWN")
        assert "does not answer" in sim.vm("one").reason
        assert sim.state("off") == "POWEROFF"
        sim.world.hosts.set_reachable("h1", True)
        sim.await_host("h1", 2)
        sim.await_state("one", "RUNNING")
    places = [
        event.body["after"]
        for event in sim.engine.events.list(limit=10_000)
        if event.kind == "vm.state" and event.object_id == sim.vm("one").id
    ]
    assert "POWEROFF" not in places
    assert sim.runs("one") == ["h1"]


def test_a_silent_libvirtd_too(sim: Sim) -> None:
    sim.add_vm("one", HOST="h1")
    sim.world.hosts.set_libvirtd("h1", False)
    sim.await_state("one", "UNKNOWN")
    sim.world.hosts.set_libvirtd("h1", True)
    sim.await_state("one", "RUNNING")


def test_a_host_comes_back_as_what_a_person_wanted(sim: Sim) -> None:
    sim.engine.hosts.disable("h1", CALL)
    sim.world.hosts.set_reachable("h1", False)
    sim.await_host("h1", 3)
    sim.world.hosts.set_reachable("h1", True)
    sim.await_host("h1", 4)


def test_after_a_power_cut_the_marked_ones_come_back(sim: Sim) -> None:
    sim.add_vm("marked", HOST="h1", AUTOSTART="YES")
    sim.add_vm("plain", HOST="h1")
    sim.add_vm("switched off", HOST="h1", AUTOSTART="YES")
    sim.engine.vms.poweroff("switched off", CALL)
    sim.settle()
    sim.world.hosts.cut_power("h1")
    sim.await_host("h1", 3)
    sim.await_state("marked", "UNKNOWN")
    sim.world.hosts.power_on("h1")
    sim.await_host("h1", 2)
    sim.await_state("marked", "RUNNING")
    sim.await_state("plain", "POWEROFF")
    sim.settle()
    assert sim.state("switched off") == "POWEROFF"
    assert (sim.runs("marked"), sim.runs("plain"), sim.runs("switched off")) == (["h1"], [], [])
    assert sim.world.double_runs() == []


def test_marked_ones_come_back_when_the_engine_was_away_too(sim: Sim) -> None:
    sim.add_vm("marked", HOST="h1", AUTOSTART="YES")
    sim.world.hosts.cut_power("h1")
    sim.world.hosts.power_on("h1")
    sim.restart()
    sim.await_state("marked", "RUNNING")


def test_foreign_domains_are_left_alone(sim: Sim) -> None:
    uuid = sim.world.virsh.add_foreign("h1", "theirs")
    sim.add_vm("one", HOST="h1")
    sim.engine.vms.terminate("one", CALL)
    sim.settle()
    assert sim.world.db.all("SELECT state FROM domains WHERE uuid=?", uuid) == [("running",)]


def test_the_start_of_a_vm_that_runs_is_no_reason_to_ask_its_host(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's own doing, of which the host tells when the job is over; what somebody else did is looked at."""
    sim.add_vm("one")
    sim.add_vm("two", HOST=sim.where("one"))
    watcher = sim.engine.monitor._watchers[sim.host(sim.where("one")).id]
    followed: list[str] = []
    monkeypatch.setattr(watcher, "_follow", followed.append)
    one, two = sim.vm("one").uuid, sim.vm("two").uuid
    for uuid in (one, two):
        for kind in ("defined", "started"):
            watcher._on_event(DomainEvent(host="", uuid=uuid, kind=kind, reason="booted"))
    watcher._on_event(DomainEvent(host="", uuid=two, kind="suspended", reason="paused"))
    until(lambda: followed, "a look at a domain")
    assert followed == [two]
