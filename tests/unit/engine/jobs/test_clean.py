"""What VMs and networks that are gone left on a host is found and taken away, and nothing else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec
import pytest

from nebula.drivers.sim.network import SimNetwork
from nebula.engine.jobs.operations.filtering import network_drivers
from nebula.engine.store.backup import restore
from nebula.engine.store.database import parse_url
from nebula.engine.store.rows import DatastoreRow, EventRow, NetworkRow
from nebula.errors import ConflictError
from nebula.model.network import Stray
from tests.support.sim import CALL, DRY, Sim, sim_engine


@pytest.fixture
def gone(sim: Sim) -> int:
    """The number of a VM that is gone, of which h1 has a file, a card with a filter, and a bridge of a network that is gone."""
    vm = sim.add_vm("gone", HOST="h1")
    sim.engine.vms.terminate("gone", CALL)
    sim.settle()
    leave(sim, vm.id)
    return vm.id


def leave(sim: Sim, number: int) -> None:
    sim.world.storage.add_part("h1", f"{directory(sim, number)}/disk.0.part", vm_id=number)
    sim.world.hosts.add_tap("h1", f"one-{number}-0", "onebr99")
    sim.world.hosts.add_bridge("h1", "onebr99", owned=True)
    with sim.world.db.write():
        sim.world.db.run("INSERT INTO filters VALUES (?,?,?)", "h1", f"one-{number}-0", b"{}")


def directory(sim: Sim, number: int) -> PurePosixPath:
    """Where h1 has what belongs to the VM of that number."""
    pool = sim.engine.services.pool
    [row] = sim.rows(DatastoreRow, "\"name\"='disks'")
    return PurePosixPath(pool.datastore(row).context_path(pool.handle(sim.host("h1")), number)).parent


def files(sim: Sim, number: int) -> int:
    return int(sim.world.db.all("SELECT COUNT(*) FROM files WHERE vm_id=?", number)[0][0])


def complaints(sim: Sim) -> dict[str, str]:
    """What a check of h1 warns of, and the command that it gives."""
    return {finding.text: finding.fix for finding in sim.engine.hosts.check("h1") if finding.level != "ok"}


def test_a_check_names_it_and_one_command_takes_it_away(sim: Sim, gone: int) -> None:
    said = complaints(sim)
    assert set(said) == {
        f"it has filters of cards that are gone: one-{gone}-0",
        f"it has cards of VMs that are not there: one-{gone}-0",
        f"it has files or disks of VMs that are gone: {gone}",
    }
    assert set(said.values()) == {"nebula host clean h1"}
    assert sim.engine.hosts.clean("h1", DRY).would == ("take away what VMs and networks that are gone left on h1",)
    assert set(complaints(sim)) == set(said)
    job = sim.engine.hosts.clean("h1", CALL).job_id
    sim.settle()
    assert [line.text for line in sim.engine.jobs.log(job)] == [
        f"filters taken away: one-{gone}-0",
        f"cards taken away: one-{gone}-0",
        f"taken away from disks: VMs {gone}",
        "network devices taken away: onebr99",
    ]
    assert complaints(sim) == {}
    assert "onebr99" not in sim.world.hosts.bridges("h1")
    assert len(sim.rows(EventRow, "\"kind\"='host.cleaned'")) == 1
    sim.assert_sound()


def test_a_bridge_without_cards_is_named_too(sim: Sim) -> None:
    sim.world.hosts.add_bridge("h1", "onebr99", owned=True)
    assert complaints(sim) == {"it has devices of networks that are gone: onebr99": "nebula host clean h1"}


def test_what_is_the_hosts_too_is_named_and_stays(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = Stray(network_id=99, name="onebr99", driver="sim", bridge="onebr99", held="it joins eth0, eth1")
    monkeypatch.setattr(SimNetwork, "strays", lambda *_: [stray])
    assert list(complaints(sim)) == ["it has onebr99 of a network that is gone, which stays: it joins eth0, eth1"]
    job = sim.engine.hosts.clean("h1", CALL).job_id
    sim.settle()
    assert [line.text for line in sim.engine.jobs.log(job)] == ["network devices that stay: onebr99: it joins eth0, eth1"]


def test_drivers_that_would_say_the_same_are_asked_once(sim: Sim) -> None:
    for number, driver in enumerate(("802.1Q", "vxlan", "ovswitch", "ovswitch_vxlan"), 1):
        row = NetworkRow(id=-number, name=driver, driver=driver, bridge=f"b{number}")
        sim.engine.services.store.write(lambda tx, row=row: tx.insert(row))  # type: ignore[misc]
    asked = network_drivers(sim.engine.services, msgspec.structs.replace(sim.host("h1"), driver="libvirt"))
    assert [names for _, names in asked] == [("ovswitch", "ovswitch_vxlan"), ("802.1Q", "vxlan", "bridge")]


def test_what_somebody_has_stays(sim: Sim) -> None:
    vm = sim.add_vm("web", HOST="h1")
    bridges, before = sim.world.hosts.bridges("h1"), files(sim, vm.id)
    job = sim.engine.hosts.clean("h1", CALL).job_id
    sim.settle()
    assert sim.engine.jobs.log(job) == []
    assert (sim.world.hosts.bridges("h1"), files(sim, vm.id)) == (bridges, before)
    sim.assert_sound()


def test_a_number_that_was_never_given_is_not_ours_to_judge(sim: Sim) -> None:
    """As after an older copy of the database was put back."""
    sim.world.storage.add_part("h1", f"{directory(sim, 4711)}/disk.0.part", vm_id=4711)
    assert complaints(sim) == {}
    sim.engine.hosts.clean("h1", CALL)
    sim.settle()
    assert files(sim, 4711) == 1


@pytest.mark.parametrize("before", [0, 1])
def test_what_came_after_a_copy_that_was_put_back_stays(tmp_path: Path, before: int) -> None:
    """Also when VMs came since, and none of them gets its number."""
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    with sim_engine(home) as sim:
        for number in range(before):
            sim.add_vm(f"old-{number}", HOST="h1")
        sim.engine.system.backup(str(copy))
        lost = sim.add_vm("lost", HOST="h1").id
        sim.engine.vms.undeploy("lost", CALL)
        sim.settle()
        leave(sim, lost)
        kept = files(sim, lost)
    restore(parse_url("", home), copy)
    with sim_engine(home, furnished=False) as sim:
        assert sim.add_vm("new", HOST="h1").id > lost + 9000
        assert complaints(sim) == {}
        sim.engine.hosts.clean("h1", CALL)
        sim.settle()
        assert files(sim, lost) == kept > 0
        assert sim.world.db.all("SELECT tap FROM filters") == [(f"one-{lost}-0",)]


def test_a_domain_of_that_number_keeps_its_disks(sim: Sim, gone: int) -> None:
    with sim.world.db.write():
        sim.world.db.run("UPDATE files SET vm_id=?", gone)
    vm = sim.add_vm("web", HOST="h1")
    with sim.world.db.write():
        sim.world.db.run("UPDATE domains SET vm_id=? WHERE uuid=?", gone, vm.uuid)
    before = files(sim, gone)
    job = sim.engine.hosts.clean("h1", CALL).job_id
    sim.settle()
    assert f"disks in disks of VMs that are gone and still have a domain: {gone}" in [
        line.text for line in sim.engine.jobs.log(job)
    ]
    assert files(sim, gone) == before


def test_a_host_that_is_offline_is_left_alone(sim: Sim) -> None:
    sim.engine.hosts.offline("h1", CALL)
    sim.settle()
    with pytest.raises(ConflictError, match="it is left alone"):
        sim.engine.hosts.clean("h1", CALL)
