"""Leases: never twice, counters right, quick in a long range."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nebula.engine.store.rows import LeaseRow, NetworkRow
from nebula.errors import CapacityError, ConflictError, NebulaError, NotFoundError
from tests.support.sim import CALL, Sim, template

ADDRESSES = [f"10.1.0.{number}" for number in range(1, 9)]


class Addresses(RuleBasedStateMachine):
    """Cards, holds, reservations, in any order, on eight addresses with a gateway among them."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="nebula-leases-")
        self.sim = Sim(Path(self._folder.name) / "home")
        self.sim.engine.networks.create(
            {"name": "lan", "driver": "sim", "gateway": "10.1.0.1", "ranges": [{"IP": "10.1.0.1-10.1.0.8"}]}, CALL
        )
        self.vms: dict[int, str] = {}
        self.held: set[str] = set()
        self.children: dict[str, int] = {}
        self.number = 0

    def taken(self) -> int:
        return len(self.vms) + len(self.held) + sum(self.children.values())

    @rule(wanted=st.sampled_from(["", *ADDRESSES[1:]]))
    def a_vm_comes(self, wanted: str) -> None:
        card = {"NETWORK": "lan", "IP": wanted} if wanted else {"NETWORK": "lan"}
        try:
            made = self.sim.engine.vms.create(template("vm", DISK=None, NIC=[card]), CALL, hold=True)
        except ConflictError:
            assert wanted in self.owned()
        except CapacityError:
            assert self.taken() >= len(ADDRESSES) - 1
        else:
            address = self.sim.engine.vms.show(str(made.id)).body["addresses"][0]
            assert address not in self.held | set(self.vms.values())
            assert address == wanted or not wanted
            assert wanted or address != ADDRESSES[0], "the gateway is nobody's"
            self.vms[made.id] = address

    @rule(data=st.data())
    def a_vm_goes(self, data: st.DataObject) -> None:
        if self.vms:
            vm_id = data.draw(st.sampled_from(sorted(self.vms)))
            self.sim.engine.vms.terminate(str(vm_id), CALL)
            del self.vms[vm_id]

    @rule(address=st.sampled_from(ADDRESSES[1:]))
    def hold(self, address: str) -> None:
        if address in self.owned():
            with pytest.raises(ConflictError):
                self.sim.engine.networks.hold("lan", address, CALL)
        else:
            self.sim.engine.networks.hold("lan", address, CALL)
            self.held.add(address)

    @rule(address=st.sampled_from(ADDRESSES))
    def release(self, address: str) -> None:
        if address in self.held:
            self.sim.engine.networks.release("lan", address, CALL)
            self.held.discard(address)
        else:
            with pytest.raises(ConflictError):
                self.sim.engine.networks.release("lan", address, CALL)

    @rule(size=st.integers(1, 3))
    def reserve(self, size: int) -> None:
        self.number += 1
        name = f"child{self.number}"
        try:
            self.sim.engine.networks.reserve("lan", name, size, CALL)
        except CapacityError:
            return
        self.children[name] = size

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if self.children:
            name = data.draw(st.sampled_from(sorted(self.children)))
            self.sim.engine.networks.remove(name, CALL)
            del self.children[name]

    def owned(self) -> set[str]:
        return {row.ip for row in self.sim.rows(LeaseRow)}

    @invariant()
    def books_agree(self) -> None:
        leases = self.sim.rows(LeaseRow)
        addresses = [row.ip for row in leases]
        assert len(addresses) == len(set(addresses)) == self.taken()
        assert self.sim.network("lan").used_leases == self.taken()
        assert {row.vm_id: row.ip for row in leases if row.vm_id > 0} == self.vms
        assert {row.ip for row in leases if row.vm_id == -1} == self.held

    def teardown(self) -> None:
        self.sim.close()
        self._folder.cleanup()


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


def test_a_thousand_leases_take_few_statements_each(bare: Sim) -> None:
    bare.engine.networks.create({"name": "wide", "driver": "sim", "ranges": [{"IP": "10.0.0.0/16"}]}, CALL)
    counts: list[int] = []

    def fill(tx):  # type: ignore[no-untyped-def]
        network = tx.first(NetworkRow, '"name"=?', ("wide",))
        for vm_id in range(1, 1001):
            before = len(statements)
            leases.take(tx, network, vm_id, 0)
            counts.append(len(statements) - before)

    leases = bare.engine.vms._leases
    statements: list[str] = []
    connection = bare.engine.services.store._writer._open()
    connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]
    bare.engine.services.store.write(fill)
    connection.set_trace_callback(None)  # type: ignore[attr-defined]
    assert max(counts) <= 8
    assert max(counts[-10:]) <= max(counts[:10]) + 1, "the thousandth is as quick as the first"
    assert bare.network("wide").used_leases == 1000


def test_an_address_that_came_free_is_found_without_looking_through_all(bare: Sim) -> None:
    bare.engine.networks.create({"name": "wide", "driver": "sim", "ranges": [{"IP": "10.0.0.0/16"}]}, CALL)
    leases, card = bare.engine.vms._leases, template("vm", DISK=None, NIC=[{"NETWORK": "wide"}])

    def fill(tx):  # type: ignore[no-untyped-def]
        network = tx.first(NetworkRow, '"name"=?', ("wide",))
        for vm_id in range(1001, 2001):
            leases.take(tx, network, vm_id, 0)

    bare.engine.services.store.write(fill)
    made = bare.engine.vms.create(card, CALL, hold=True)
    address = bare.engine.vms.show(str(made.id)).body["addresses"]
    bare.engine.vms.create(card, CALL, hold=True)
    bare.engine.vms.terminate(str(made.id), CALL)
    read: list[str] = []
    connection = bare.engine.services.store._writer._open()
    connection.set_trace_callback(read.append)  # type: ignore[attr-defined]
    again = bare.engine.vms.create(card, CALL, hold=True)
    connection.set_trace_callback(None)  # type: ignore[attr-defined]
    assert bare.engine.vms.show(str(again.id)).body["addresses"] == address
    assert len([sql for sql in read if 'SELECT "position"' in sql]) == 1, "of a thousand leases, none below it was looked at"


def test_a_network_that_is_full_says_so_and_is_filled_again(bare: Sim) -> None:
    bare.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.0.0.1-10.0.0.2"}]}, CALL)
    for name in ("a", "b"):
        bare.engine.vms.create(template(name, DISK=None), CALL, hold=True)
    with pytest.raises(CapacityError, match="no free address"):
        bare.engine.vms.create(template("c", DISK=None), CALL, hold=True)
    bare.engine.vms.terminate("a", CALL)
    bare.engine.vms.create(template("c", DISK=None), CALL, hold=True)
    assert bare.vm("c").ips == "10.0.0.1"


def test_a_network_without_ranges(bare: Sim) -> None:
    bare.engine.networks.create({"name": "lan", "driver": "sim"}, CALL)
    with pytest.raises(CapacityError, match="no address range"):
        bare.engine.vms.create(template("c", DISK=None), CALL)


def test_a_childs_addresses_are_the_parents_and_come_back(bare: Sim) -> None:
    bare.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.0.0.1-10.0.0.9"}]}, CALL)
    bare.engine.networks.reserve("lan", "part", 3, CALL, first="10.0.0.4")
    for name in ("a", "b", "c"):
        bare.engine.vms.create(template(name, DISK=None, NIC=[{"NETWORK": "part"}]), CALL, hold=True)
    assert [bare.vm(name).ips for name in "abc"] == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with pytest.raises(CapacityError):
        bare.engine.vms.create(template("d", DISK=None, NIC=[{"NETWORK": "part"}]), CALL, hold=True)
    with pytest.raises(ConflictError, match="reserved"):
        bare.engine.networks.hold("lan", "10.0.0.5", CALL)
    with pytest.raises(ConflictError, match="in use by VM"):
        bare.engine.networks.remove("part", CALL)
    with pytest.raises(ConflictError, match="reservation"):
        bare.engine.networks.remove("lan", CALL)
    for name in ("a", "b", "c"):
        bare.engine.vms.terminate(name, CALL)
    bare.engine.networks.remove("part", CALL)
    assert bare.network("lan").used_leases == 0
    bare.engine.networks.remove("lan", CALL)
    bare.settle()
    with pytest.raises(NotFoundError):
        bare.engine.networks.show("lan")


def test_a_failing_creation_gives_its_addresses_back(bare: Sim) -> None:
    bare.engine.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.0.0.1-10.0.0.9"}]}, CALL)
    with pytest.raises(NebulaError):
        bare.engine.vms.create(template("a", DISK=None, NIC=[{"NETWORK": "lan"}, {"NETWORK": "nope"}]), CALL)
    assert bare.rows(LeaseRow) == []
    assert bare.network("lan").used_leases == 0
