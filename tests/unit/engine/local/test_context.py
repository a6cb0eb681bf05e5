"""What a VM is told changes while it runs, and while it does not."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

import pytest

from nebula.drivers.sim.agent import SimAgent
from nebula.engine.firewall.filters import Filters
from nebula.engine.store.rows import EventRow, JobLogRow, JobRow, RequestRow
from nebula.errors import ConflictError, NotFoundError, UsageError, WrongStateError
from tests.support.cloudinit import from_cd
from tests.support.contextcd import cd_of
from tests.support.sim import CALL, Sim

SECRET = "swordfish-in-a-context"


def context_of(sim: Sim, name: str) -> str:
    """context.sh on its CD."""
    return from_cd(iso_of(sim, name), "context.sh").decode()


def iso_of(sim: Sim, name: str) -> bytes:
    """The CD of a VM that has a host."""
    return cd_of(sim.world, sim.where(name), sim.vm(name).uuid)


def media(sim: Sim, name: str) -> bytes | None:
    """What the guest knows of changed media."""
    domain = sim.world.domains.require(sim.where(name), sim.vm(name).uuid)
    return SimAgent(sim.world.db, domain).file("/run/medium")


def tell(sim: Sim, **context: Any) -> int:
    accepted = sim.engine.vms.update("one", {"CONTEXT": context}, CALL)
    sim.settle()
    return accepted.job_id


def test_a_running_guest_is_given_another_cd(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"COLOUR": "red", "SIZE": "1"})
    assert "COLOUR='red'" in context_of(sim, "one")
    assert media(sim, "one") is None
    assert tell(sim, COLOUR="blue", SIZE="", NOTE="$NAME on $NIC[NETWORK]")
    told = context_of(sim, "one")
    assert "COLOUR='blue'" in told
    assert "NOTE='one on lan'" in told
    assert "SIZE" not in told
    assert media(sim, "one")
    assert (sim.state("one"), sim.runs("one")) == ("RUNNING", [sim.where("one")])
    sim.assert_sound()


def test_variables_know_cards_that_were_plugged_in_later(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL)
    sim.settle()
    assert tell(sim, NOTE="$NIC[IP, NIC_ID=1]")
    assert f"NOTE='{sim.vm('one').ips.split(',')[1]}'" in context_of(sim, "one")
    sim.engine.vms.nic_detach("one", "0", CALL)
    sim.settle()
    assert tell(sim, NOTE="$NIC[NIC_ID]")
    assert "NOTE='1'" in context_of(sim, "one")


def test_a_new_card_is_there_before_the_guest_sees_the_cd_that_tells_of_it(sim: Sim) -> None:
    """one-context passes over cards that it does not see, and reads the same context only once."""
    sim.add_vm("one")
    sim.world.order_fault("*", "hypervisor.renew_medium", "command")
    accepted = sim.engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL)
    sim.settle()
    assert media(sim, "one") is None
    domain = sim.world.domains.require(sim.where("one"), sim.vm("one").uuid)
    assert domain.spec is not None
    assert [card.nic_id for card in domain.spec.interfaces] == [0, 1]
    assert "ETH1_MAC" in context_of(sim, "one")
    assert sim.engine.jobs.show(accepted.job_id).state == "done", "at the latest its next start tells it"
    sim.engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL)
    sim.settle()
    assert "ETH2_MAC" in context_of(sim, "one")
    assert media(sim, "one")
    sim.world.order_fault("*", "hypervisor.attach_card", "command")
    sim.engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL)
    sim.settle()
    assert "ETH3_MAC" not in context_of(sim, "one")
    sim.assert_sound()


def test_one_that_is_off_reads_it_at_its_next_start(sim: Sim) -> None:
    sim.add_vm("one")
    sim.engine.vms.poweroff("one", CALL, hard=True)
    sim.settle()
    assert tell(sim, COLOUR="green") == 0
    sim.engine.vms.resume("one", CALL)
    sim.settle()
    assert "COLOUR='green'" in context_of(sim, "one")
    assert media(sim, "one") is None


def test_one_that_is_busy_is_told_nothing(sim: Sim) -> None:
    sim.add_vm("one")
    held = sim.world.faults.hang(sim.where("one"), "hypervisor.shutdown")
    sim.engine.vms.poweroff("one", CALL)
    with pytest.raises(WrongStateError):
        sim.engine.vms.update("one", {"CONTEXT": {"COLOUR": "blue"}}, CALL)
    sim.world.faults.release(held)
    sim.settle()


def test_a_host_that_fails_leaves_it_running(sim: Sim) -> None:
    sim.add_vm("one")
    sim.world.order_fault(sim.where("one"), "hypervisor.renew_medium", "conflict")
    tell(sim, COLOUR="blue")
    assert sim.state("one") == "RUNNING"
    assert sim.rows(JobRow)[-1].state == "failed"
    tell(sim, COLOUR="green")
    assert "COLOUR='green'" in context_of(sim, "one")


def test_what_no_cd_carries_is_refused_before_anything_happens(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"COLOUR": "red"})
    for wrong in ({"PATH": "/tmp"}, {"FILES": "/etc/shadow"}, {"USER_DATA": "%", "USER_DATA_ENCODING": "base64"}):
        with pytest.raises(UsageError):
            sim.engine.vms.update("one", {"CONTEXT": wrong}, CALL)
        with pytest.raises(UsageError):
            sim.add_vm("two", CONTEXT=wrong)
    assert "COLOUR='red'" in context_of(sim, "one")


def test_user_data_that_are_not_encoded_take_the_place_of_those_that_were(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"USER_DATA": "aGk=", "USER_DATA_ENCODING": "base64"})
    tell(sim, USER_DATA="#cloud-config\n")
    assert base64.b64encode(b"#cloud-config\n").decode() in context_of(sim, "one")


def add_file(sim: Sim, folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    sim.engine.images.create({"name": name, "path": str(folder / name), "type": "context", "datastore": "disks"}, CALL)
    sim.settle()
    assert sim.image(name).state == 1, sim.image(name).error


@pytest.mark.parametrize("asked", ['$FILE[IMAGE="init.sh"] $FILE[IMAGE="data.gz"]', "init.sh, data.gz"])
def test_files_go_on_the_cd_under_their_names(sim: Sim, tmp_path: Path, asked: str) -> None:
    packed = gzip.compress(b"stays packed", mtime=0)
    add_file(sim, tmp_path, "init.sh", b"#!/bin/sh\necho \xff\n")
    add_file(sim, tmp_path, "data.gz", packed)
    sim.add_vm("one", CONTEXT={"FILES_DS": asked})
    assert sim.state("one") == "RUNNING"
    assert from_cd(iso_of(sim, "one"), "init.sh") == b"#!/bin/sh\necho \xff\n"
    assert from_cd(iso_of(sim, "one"), "data.gz") == packed
    assert "FILES_DS" not in context_of(sim, "one")
    for refused in (sim.engine.images.remove, lambda ref, call: sim.engine.images.rename(ref, "other", call)):
        with pytest.raises(ConflictError, match="one"):
            refused("init.sh", CALL)
    tell(sim, FILES_DS="init.sh")
    sim.engine.images.remove("data.gz", CALL)
    sim.settle()
    assert sim.state("one") == "RUNNING"


def test_what_is_no_file_for_a_cd_is_refused(sim: Sim, tmp_path: Path) -> None:
    add_file(sim, tmp_path, "init.sh", b"#!/bin/sh\n")
    for wrong, kind in (("base", UsageError), ("nothing", NotFoundError), ("$FILE[NAME=x]", UsageError)):
        with pytest.raises(kind):
            sim.add_vm("one", CONTEXT={"FILES_DS": wrong})
    with pytest.raises(UsageError):
        sim.engine.vms.create({"NAME": "two", "DISK": [{"IMAGE": "init.sh"}]}, CALL)
    for spec in ({"size": 1 << 20}, {"path": str(tmp_path / "init.sh"), "persistent": True}):
        with pytest.raises(UsageError):
            sim.engine.images.create({"name": "x", "type": "context", "datastore": "disks", **spec}, CALL)


def test_secrets_are_on_the_cd_and_nowhere_else(sim: Sim) -> None:
    sim.add_vm("one", CONTEXT={"PASSWORD": SECRET})
    tell(sim, PASSWORD=f"{SECRET}-too", ONEGATE_TOKEN=SECRET)
    assert SECRET in context_of(sim, "one")
    kept = [*sim.rows(EventRow), *sim.rows(JobRow), *sim.rows(JobLogRow), *sim.rows(RequestRow, "1=1")]
    assert SECRET not in repr(kept)
    shown = sim.engine.vms.show("one"), sim.engine.vms.describe("one"), sim.engine.vms.log("one")
    assert SECRET not in repr(shown)


@pytest.mark.parametrize(
    ("ranges", "length"),
    [
        ([{"IP6": "fd00::10", "SIZE": "4"}], "56"),
        ([{"IP6": "fd00::10", "SIZE": "4", "PREFIX_LENGTH": "48"}], "48"),
        ([{"IP": "10.5.0.10+4", "IP6": "fd00::10", "PREFIX_LENGTH": "120"}], "120"),
        ([{"GLOBAL_PREFIX": "2001:db8:1:2::", "SIZE": "4"}], "64"),
    ],
)
def test_a_range_may_say_how_long_its_ipv6_prefix_is(sim: Sim, ranges: list[dict[str, str]], length: str) -> None:
    sim.engine.networks.create({"name": "six", "driver": "sim", "prefix_length6": 56, "ranges": ranges}, CALL)
    sim.add_vm("one", NIC=[{"NETWORK": "six"}], NIC_ALIAS=[{"NETWORK": "six", "PARENT": "NIC0"}])
    told = context_of(sim, "one")
    assert f"ETH0_IP6_PREFIX_LENGTH='{length}'" in told
    assert f"ETH0_ALIAS0_IP6_PREFIX_LENGTH='{length}'" in told
    sim.engine.vms.nic_attach("one", {"NETWORK": "six"}, CALL)
    sim.settle()
    assert f"ETH2_IP6_PREFIX_LENGTH='{length}'" in context_of(sim, "one")


def test_a_range_of_two_prefixes_gives_a_guest_both_addresses(sim: Sim) -> None:
    prefixes = {"GLOBAL_PREFIX": "2001:db8:1:2::", "ULA_PREFIX": "fd12:3456:789a:1::", "MAC": "02:00:00:00:00:10", "SIZE": "4"}
    sim.engine.networks.create({"name": "six", "driver": "sim", "ranges": [prefixes]}, CALL)
    sim.engine.networks.update("six", {"attributes": {"FILTER_IP_SPOOFING": "YES"}}, CALL)
    sim.add_vm("one", NIC=[{"NETWORK": "six"}], NIC_ALIAS=[{"NETWORK": "six", "PARENT": "NIC0"}])
    told = context_of(sim, "one")
    for name, last in (("ETH0", "10"), ("ETH0_ALIAS0", "11")):
        assert f"{name}_IP6='2001:db8:1:2:0:ff:fe00:{last}'" in told
        assert f"{name}_IP6_ULA='fd12:3456:789a:1:0:ff:fe00:{last}'" in told
    found = {item.address for item in sim.engine.vms.addresses("one")}
    assert {f"fd12:3456:789a:1:0:ff:fe00:{last}" for last in ("10", "11")} <= found
    own = Filters(sim.engine.services.store.read()).of_vm(sim.vm("one").id)[0]
    assert own is not None
    assert {f"fd12:3456:789a:1:0:ff:fe00:{last}" for last in ("10", "11")} <= set(own.further), "it may send from them"
