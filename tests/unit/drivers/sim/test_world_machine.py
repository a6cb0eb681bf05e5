"""Whatever is done to the world, in whatever order, its invariants hold."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nebula.drivers.sim.hypervisor import SimHypervisor
from nebula.errors import ConflictError, NebulaError, NotFoundError, UnreachableError
from tests.unit.drivers.sim.lab import HOSTS, hypervisor, manual_world, request, spec, uuid_of

HOST = st.sampled_from(HOSTS)
VM = st.integers(1, 3)


class World(RuleBasedStateMachine):
    """An engine that looks before it starts, and a world in which hosts fail under it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = manual_world()
        self.world.set("migration_seconds", 10)
        self.world.guests.order("vm-2", shutdown_seconds=5)

    def teardown(self) -> None:
        self.world.close()

    def driver(self, host: str) -> SimHypervisor:
        return hypervisor(self.world, host)

    def active(self, vm_id: int) -> list[str]:
        return [found.host for found in self.world.domains.everywhere(uuid_of(vm_id)) if found.active]

    @rule(host=HOST, vm_id=VM)
    def start_where_it_runs_nowhere(self, host: str, vm_id: int) -> None:
        if self.active(vm_id):
            return
        try:
            self.driver(host).start(spec(vm_id))
        except UnreachableError:
            return
        found = self.driver(host).lookup(uuid_of(vm_id))
        assert found is not None
        assert found.state == "running"

    @rule(host=HOST, vm_id=VM, verb=st.sampled_from(["shutdown", "destroy", "undefine", "pause", "unpause", "abort_migration"]))
    def verb(self, host: str, vm_id: int, verb: str) -> None:
        with contextlib.suppress(UnreachableError, NotFoundError, ConflictError):
            getattr(self.driver(host), verb)(uuid_of(vm_id))

    @rule(host=HOST, to=HOST, vm_id=VM)
    def begin_migration(self, host: str, to: str, vm_id: int) -> None:
        if host == to:
            return
        with contextlib.suppress(UnreachableError, NotFoundError, ConflictError):
            self.world.virsh(host, "migrate", uuid_of(vm_id), to=to)

    @rule(host=HOST, to=HOST, vm_id=VM, fails=st.booleans())
    def migrate(self, host: str, to: str, vm_id: int, fails: bool) -> None:
        if host == to:
            return
        if fails:
            self.world.order_fault(host, "hypervisor.migrate.halfway", "command")
        before = set(self.active(vm_id))
        try:
            self.driver(host).migrate(request(self.world, to, vm_id), progress=None, cancel=None)
        except NebulaError:
            assert before or not self.active(vm_id)
        else:
            assert to in self.active(vm_id) or not before, "one that is off was there already"
            assert host not in self.active(vm_id)
        self.world.faults.release()

    @rule(host=HOST)
    def cut_power(self, host: str) -> None:
        self.world.hosts.cut_power(host)

    @rule(host=HOST)
    def power_on(self, host: str) -> None:
        self.world.hosts.power_on(host)

    @rule(host=HOST, up=st.booleans())
    def libvirtd(self, host: str, up: bool) -> None:
        self.world.hosts.set_libvirtd(host, up)

    @rule(seconds=st.sampled_from([1, 6, 11]))
    def time_passes(self, seconds: int) -> None:
        self.world.advance(seconds)

    @invariant()
    def never_twice(self) -> None:
        assert self.world.audit.violations() == []
        for vm_id in (1, 2, 3):
            found = [domain for domain in self.world.domains.everywhere(uuid_of(vm_id)) if domain.active]
            assert len([domain for domain in found if not domain.incoming]) <= 1
            assert len(found) <= 2

    @invariant()
    def taps_are_those_of_active_domains(self) -> None:
        taps = {(host, uuid) for host, uuid in self.world.db.all("SELECT host, uuid FROM taps")}
        assert taps == {(host, uuid) for host, uuid in self.world.db.all("SELECT host, uuid FROM domains WHERE active=1")}

    @invariant()
    def incoming_domains_have_a_migration(self) -> None:
        orphans = self.world.db.all(
            "SELECT 1 FROM domains d WHERE incoming=1 AND NOT EXISTS"
            " (SELECT 1 FROM migrations m WHERE m.uuid = d.uuid AND m.target = d.host AND m.status='running')"
        )
        assert orphans == []

    @invariant()
    def nothing_runs_without_power(self) -> None:
        query = "SELECT d.name FROM domains d JOIN hosts h ON h.name = d.host WHERE d.active=1 AND h.powered=0"
        assert self.world.db.all(query) == []

    @invariant()
    def timers_belong_to_something(self) -> None:
        assert self.world.db.all(
            "SELECT 1 FROM timers t WHERE kind='shutdown' AND NOT EXISTS"
            " (SELECT 1 FROM domains d WHERE d.host = t.host AND d.uuid = t.uuid AND d.active=1)"
        ) == []  # fmt: skip


World.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase
