"""A small cluster on simulated hosts, in a home of its own, that survives its engine's death; and the verbs tried on it."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess as Process
from pathlib import Path
from typing import Any, Literal

import msgspec

from nebula.drivers.sim.places import place
from nebula.drivers.sim.storage import File
from nebula.drivers.sim.world import SimWorld
from nebula.engine.api.values import Call, Query
from nebula.engine.drs.plans import propose
from nebula.engine.drs.policy import DrsPolicy
from nebula.engine.drs.values import DrsPlan, Move
from nebula.engine.lifecycle.states import HostState, ImageState
from nebula.engine.lifecycle.table import transients
from nebula.engine.local.engine import LocalEngine, own, read_only
from nebula.engine.machines.machine import machine_of
from nebula.engine.serving import carriers, given, wants
from nebula.engine.settings import Settings
from nebula.engine.store.rows import BackupRow, DatastoreRow, HostRow, ImageRow, JobRow, LeaseRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.model.network import Lease
from nebula.rpc.client import RemoteEngine
from nebula.rpc.link import Heir, Link, Waits
from nebula.rpc.server import Server
from tests.support.forks import FORKS

CALL = Call(actor="tester")
HOSTS = ("h1", "h2", "h3")
SETTINGS = Settings(
    monitor_interval=0.2,
    retry_first=0.05,
    retry_most=0.2,
    guest_shutdown=5.0,
    schedule_delay=0.0,
    guest_look=0.02,
    children_look=0.05,
)
PATIENCE = 80.0
"""Seconds that a test waits at most for an engine to become idle."""
Deed = Callable[[Any], None]
"""Something done with an engine, wherever it is."""
When = Literal["before", "after"]


def engine(home: Path) -> LocalEngine:
    """Own the home."""
    made = own(home, "test", settings=SETTINGS)
    assert made is not None, "somebody else owns the test's home"
    return made


def furnish(home: Path, *, storage: str = "own") -> None:
    """Three hosts, a datastore, an image, a network."""
    used = engine(home)
    try:
        for name in HOSTS:
            used.hosts.add({"name": name, "driver": "sim"}, CALL)
        used.datastores.create({"name": "disks", "driver": "sim", "settings": {storage: "true"}}, CALL)
        picture = home / "picture.raw"
        picture.write_bytes(bytes(1 << 20))
        used.datastores.create({"name": "boot", "driver": "sim", "type": "file"}, CALL)
        used.networks.create({"name": "lan", "driver": "sim", "ranges": [{"IP": "10.9.0.10-10.9.0.250"}]}, CALL)
        assert used.wait_idle(PATIENCE)
        used.images.create({"name": "base", "path": str(picture), "format": "raw", "datastore": "disks"}, CALL)
        assert used.wait_idle(PATIENCE)
        used.images.create({"name": "vmlinuz", "path": str(picture), "type": "kernel", "datastore": "boot"}, CALL)
        assert used.wait_idle(PATIENCE)
        for name in ("base", "vmlinuz"):
            assert used.images.show(name).body["state"] == "READY"
        for name in ("disc", "spare"):
            used.images.create({"name": name, "size": 1 << 20, "type": "cdrom", "datastore": "disks"}, CALL)
        assert used.wait_idle(PATIENCE)
    finally:
        used.close()


def template(name: str) -> dict[str, object]:
    """A VM with a disk of each kind that is made, a kernel out of a datastore, and a card."""
    return {
        "NAME": name,
        "MEMORY": 128,
        "MEMORY_MAX": 256,
        "DISK": [{"IMAGE": "base"}, {"SIZE": 8, "FORMAT": "raw"}, {"IMAGE": "disc"}],
        "NIC": [{"NETWORK": "lan"}],
        "OS": {"KERNEL_DS": "vmlinuz"},
        "CONTEXT": {"NETWORK": "YES"},
    }


@dataclass(frozen=True)
class StatementKill:
    """SIGKILL at the writer's n-th statement that begins so, before the database has it or after; with `since`, counted
    from the first statement that begins so. Called in the process that is to die.
    """

    beginning: str
    number: int
    when: When
    since: str = ""

    def __call__(self) -> None:
        """From now on statements are counted."""
        plain, numbers, counts = Transaction.execute, itertools.count(1), [not self.since]

        def execute(transaction: Transaction, sql: str, parameters: Sequence[Any] = ()) -> Any:
            counts[0] = counts[0] or sql.startswith(self.since)
            strikes = counts[0] and sql.startswith(self.beginning) and next(numbers) == self.number
            if strikes and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = plain(transaction, sql, parameters)
            if strikes:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        Transaction.execute = execute  # type: ignore[method-assign,assignment]


def nothing() -> None:
    """Nobody is killed at a statement."""


def do(home: Path, deed: Deed, ordered: Callable[[], None] = nothing) -> None:
    """Do it here and wait until all is done. The file "answered" is there as soon as the verb was answered."""
    used = engine(home)
    try:
        ordered()
        deed(used)
        (home / "answered").touch()
        assert used.wait_idle(PATIENCE), used.jobs.list(Query(filters=(("state", "!=", "done"),)))
    finally:
        used.close()


def recover(_: LocalEngine) -> None:
    """Nothing more than an owner does by itself."""


def do_and_die(home: Path, deed: Deed, ordered: Callable[[], None] = nothing) -> int:
    """Do it in a process of its own; returns its exit status (-9: it was killed)."""
    (home / "answered").unlink(missing_ok=True)
    child = FORKS.Process(target=do, args=(home, deed, ordered))
    child.start()
    child.join(PATIENCE * 2)
    if child.is_alive():
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        raise AssertionError("the engine did not end")
    return child.exitcode if child.exitcode is not None else 0


def serve(home: Path, place: Path, ordered: Callable[[], None]) -> None:
    """Own the home and serve it until killed."""
    used = engine(home)
    ordered()
    with Server(used, place, replace=True):
        signal.pause()


@contextmanager
def owner(home: Path, place: Path, ordered: Callable[[], None] = nothing) -> Iterator[Process]:
    """A process that owns the home and serves it; killed at the end at the latest."""
    child = FORKS.Process(target=serve, args=(home, place, ordered))
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.join()


@contextmanager
def served(home: Path, place: Path) -> Iterator[LocalEngine]:
    """An engine in this process that serves the home, and is idle at the end."""
    used = engine(home)
    try:
        with Server(used, place, replace=True):
            yield used
        assert used.wait_idle(PATIENCE), used.jobs.list(Query(filters=(("state", "!=", "done"),)))
    finally:
        used.close()


def client(place: Path) -> RemoteEngine:
    """One that waits for the next owner, with whatever it asks."""
    return RemoteEngine(place, link=Link(place, Waits(handover=PATIENCE), take_over=Heir))


def assert_sound(home: Path) -> dict[str, str]:
    """A new owner ends every job; nothing is lost, leaked or doubled. Returns VM name -> state."""
    used = engine(home)
    try:
        assert used.wait_idle(PATIENCE), used.jobs.list(Query(filters=(("state", "!=", "done"),)))
        read = used.services.store.read()
        open_jobs = read.select(JobRow, "\"state\" IN ('ready','running','waiting')")
        assert not open_jobs, open_jobs
        vms = read.select(VmRow, '"state"<>6')
        passing = {(int(place.state), int(place.lcm)) for place in transients()}
        stuck = [(vm.name, vm.state, vm.lcm_state) for vm in vms if (vm.state, vm.lcm_state) in passing]
        assert not stuck, stuck
        assert not [vm.name for vm in vms if vm.job_id]
        leased = {lease.vm_id for lease in read.select(LeaseRow)}
        assert leased <= {vm.id for vm in vms}, "a lease of a VM that is gone"
        assert used.runner.locks_held() == {}
        _assert_at_rest(read)
        states = {vm.name: used.vms.show(str(vm.id)).body["state"] for vm in vms}
        backups = {row.snapshot for row in read.select(BackupRow)}
        remembered = {chain.checkpoint for vm in vms if (chain := machine_of(vm).chain) is not None and chain.checkpoint}
        wanted = {
            (host.name, row.bridge): given(read, row)
            for row in read.select(NetworkRow)
            if wants(row)
            for host in read.select(HostRow)
            if host.id in carriers(read, row)
        }
        placed = [vm.id for vm in vms if vm.host_id > 0 or vm.kept_on >= 0]
        mounts = {
            (host.name, row.id)
            for row in read.select(DatastoreRow)
            if row.body.get("settings", {}).get("attached")
            for host in read.select(HostRow)
        }
        cleaned = read.count(JobRow, "\"kind\"='host.clean' AND \"state\"='done'")
    finally:
        used.close()
    world = SimWorld(home / "sim.db")
    try:
        assert world.double_runs() == []
        assert world.audit.violations("stale_memory") == []
        assert world.leaks(placed) == []
        assert {snapshot for (snapshot,) in world.db.all("SELECT snapshot FROM repository")} == backups
        assert {name for (name,) in world.db.all("SELECT name FROM checkpoints")} <= remembered
        _assert_running(world, vms, states)
        _assert_disks(world, vms)
        assert _given(world) == wanted
        assert set(world.db.all("SELECT host, datastore FROM mounts")) == mounts
        if cleaned:
            _assert_clean(world)
    finally:
        world.close()
    return states


def _given(world: SimWorld) -> dict[tuple[str, str], list[Lease]]:
    """What hosts give by DHCP on their bridges."""
    rows = world.db.all("SELECT host, bridge, leases FROM served")
    return {(host, bridge): msgspec.json.decode(leases, type=list[Lease]) for host, bridge, leases in rows}


def _assert_at_rest(read: Queries) -> None:
    """No object but VMs is on its way somewhere either."""
    assert {row.state for row in read.select(HostRow)} <= {HostState.MONITORED, HostState.DISABLED, HostState.OFFLINE}
    assert {row.state for row in read.select(ImageRow)} <= {
        *(ImageState.READY, ImageState.USED, ImageState.USED_PERS, ImageState.ERROR)
    }
    assert {row.state for row in read.select(NetworkRow)} <= {1}
    assert {row.state for row in read.select(DatastoreRow)} <= {0}
    for image in read.select(ImageRow):
        users = sum(disk["image_id"] == image.id for vm in read.select(VmRow, '"state"<>6') for disk in vm.body["disks"])
        assert image.running_vms == users, image.name
    for network in read.select(NetworkRow):
        assert network.used_leases == read.count(LeaseRow, '"network_id"=?', (network.id,)), network.name


def _assert_running(world: SimWorld, vms: list[VmRow], states: dict[str, str]) -> None:
    """What is shown as RUNNING runs, exactly once, where it is booked; what is POWEROFF does not; what has no host is
    known to none.
    """
    for vm in vms:
        found = world.db.all("SELECT host FROM domains WHERE uuid=? AND state='running'", vm.uuid)
        if states[vm.name] == "RUNNING":
            assert len(found) == 1, (vm.name, found)
        elif states[vm.name] in {"POWEROFF", "PENDING", "HOLD", "SUSPENDED"}:
            assert found == [], (vm.name, found)
        elif states[vm.name] in {"STOPPED", "UNDEPLOYED"}:
            assert world.domains.everywhere(vm.uuid) == [], vm.name


def _assert_disks(world: SimWorld, vms: list[VmRow]) -> None:
    """A disk is where its VM's row says, and the domain uses it there."""
    for vm in vms:
        said = {disk.target: disk.datastore_id for disk in machine_of(vm).disks if disk.kind != "cdrom"}
        for domain in world.domains.everywhere(vm.uuid):
            paths = {disk.target: disk.path for disk in domain.spec.disks if disk.device == "disk"} if domain.spec else {}
            found = {target: place(domain.host, path).datastore for target, path in paths.items()}
            # one that was detached while its VM was off is in the definition until that starts
            assert said.items() >= {target: where for target, where in found.items() if target in said}.items(), vm.name


def _plan(engine: LocalEngine) -> None:
    """A plan that was proposed: "one" goes to another host."""
    vm = engine.vms.show("one")
    hosts = engine.services.store.read().select(HostRow, '1=1 ORDER BY "id"')
    source = next(host for host in hosts if host.name == vm.body["host"])
    target = next(host for host in hosts if host.id != source.id)
    move = Move(
        vm_id=vm.id, vm="one", source_id=source.id, source=source.name, target_id=target.id, target=target.name, wave=0,
        gain=1.0, copy_mib=1.0, seconds=1.0, reason="for a test",
    )  # fmt: skip
    plan = DrsPlan(cluster_id=source.cluster_id, cluster="default", at=0.0, moves=(move,), hosts=(), before=1.0, after=0.0)
    engine.services.store.write(lambda tx: propose(tx, plan, DrsPolicy(), "tester"))


def _create_persistent(engine: Any) -> None:
    """A VM whose disk is an image."""
    engine.images.create({"name": "data", "size": 1 << 20, "persistent": True, "datastore": "disks"}, CALL)
    engine.vms.create(template("one") | {"DISK": [{"IMAGE": "data"}]}, CALL)


def _migrate(engine: Any, *, live: bool) -> None:
    here = engine.vms.show("one").body["host"]
    engine.vms.migrate("one", next(name for name in ("h2", "h3", "h1") if name != here), CALL, live=live)


def _return_elsewhere(engine: Any) -> None:
    """A VM whose disks are kept goes to a host that does not have them, where there is such a one."""
    kept = engine.vms.show("one").body["disks_on"]
    engine.vms.deploy("one", next(name for name in ("h2", "h3", "h1") if name != kept), CALL)


def _host_leaves(engine: Any) -> object:
    here = engine.vms.show("one").body["host"]
    return engine.hosts.offline(next(name for name in HOSTS if name != here), CALL)


LEFT_BRIDGE = "onebr99"


def _leave_behind(engine: LocalEngine) -> None:
    """What a host keeps that was away while a VM and a network were taken away."""
    world, services = engine.services.transports.world(), engine.services
    read = services.store.read()
    [gone] = read.select(VmRow, '"state"=6')
    [host] = read.select(HostRow, '"name"=?', ("h1",))
    [disks] = read.select(DatastoreRow, '"name"=?', ("disks",))
    context = services.pool.datastore(disks).context_path(services.pool.handle(host), gone.id)
    with world.db.write():
        path = f"{context.rpartition('/')[0]}/left"
        world.storage.put(File(place("h1", path).scope, path, "file", disks.id, 1, "", 1, vm_id=gone.id))
    world.hosts.add_bridge("h1", LEFT_BRIDGE, owned=True)


def _assert_clean(world: SimWorld) -> None:
    """Nothing is left of what `_leave_behind` made."""
    assert world.db.all("SELECT path FROM files WHERE kind='file' AND vm_id IS NOT NULL") == []
    assert LEFT_BRIDGE not in world.hosts.bridges("h1")


def _picture(home: Path) -> dict[str, str]:
    return {"name": "other", "path": str(home / "picture.raw"), "format": "raw", "datastore": "disks"}


_INBOUND = {"PROTOCOL": "TCP", "RULE_TYPE": "inbound", "RANGE": "22"}
INSIDE = {
    "name": "inside", "driver": "sim", "nat": True, "gateway": "10.77.5.1", "dhcp": "yes",
    "ranges": [{"IP": "10.77.5.10-10.77.5.20"}],
}  # fmt: skip
"""A network whose hosts give addresses and names."""
WIRE = {"name": "wire", "driver": "sim", "physical_device": "eth1", "vxlan_mode": "static", "ranges": [{"SIZE": "20"}]}
"""A network whose hosts are told of each other."""
COMMON = {"name": "common", "driver": "sim", "settings": {"shared": "true"}}
"""Another datastore, which all hosts see."""
MOUNTED = {"name": "mounted", "driver": "sim", "settings": {"attached": "yes"}}
"""A datastore that hosts reach by a mount."""
DEEDS: dict[str, Callable[[Any, Path], object]] = {
    "create": lambda engine, _: engine.vms.create(template("one"), CALL),
    "create_qcow2": lambda engine, _: engine.vms.create(
        template("one") | {"DISK": [{"IMAGE": "base", "FORMAT": "qcow2"}, {"SIZE": 8}]}, CALL
    ),
    "create_layered": lambda engine, _: engine.vms.create(
        template("one") | {"DISK": [{"IMAGE": "base", "FORMAT": "qcow2"}]}, CALL
    ),
    "create_persistent": lambda engine, _: _create_persistent(engine),
    "common": lambda engine, _: engine.datastores.create(COMMON, CALL),
    "disk_move": lambda engine, _: engine.vms.disk_move("one", "0", "common", CALL),
    "disk_move_back": lambda engine, _: engine.vms.disk_move("one", "0", "disks", CALL),
    "save": lambda engine, _: engine.vms.disk_saveas("one", "0", "golden", CALL),
    "save_snapshot": lambda engine, _: engine.vms.disk_saveas("one", "0", "golden", CALL, "clean"),
    "vault": lambda engine, _: engine.datastores.create({"name": "vault", "type": "backup", "driver": "sim"}, CALL),
    "backup": lambda engine, _: engine.vms.backup("one", CALL),
    "restore": lambda engine, _: engine.vms.restore("one", "1", CALL),
    "backup_restore": lambda engine, _: engine.backups.restore("1", CALL),
    "backup_verify": lambda engine, _: engine.backups.verify("1", CALL),
    "backup_remove": lambda engine, _: engine.backups.remove("1", CALL),
    "keep": lambda engine, _: engine.vms.snapshot_create("one", "clean", CALL),
    "go_back": lambda engine, _: engine.vms.snapshot_revert("one", "clean", CALL),
    "unkeep": lambda engine, _: engine.vms.snapshot_delete("one", "clean", CALL),
    "snapshot": lambda engine, _: engine.vms.disk_snapshot_create("one", "0", "clean", CALL),
    "revert": lambda engine, _: engine.vms.disk_snapshot_revert("one", "0", "clean", CALL),
    "unsnapshot": lambda engine, _: engine.vms.disk_snapshot_delete("one", "0", "clean", CALL),
    "migrate": lambda engine, _: _migrate(engine, live=False),
    "migrate_live": lambda engine, _: _migrate(engine, live=True),
    "return_elsewhere": lambda engine, _: _return_elsewhere(engine),
    "resize": lambda engine, _: engine.vms.resize("one", {"MEMORY": "192"}, CALL),
    "disk_attach": lambda engine, _: engine.vms.disk_attach("one", {"SIZE": 8}, CALL),
    "disk_detach": lambda engine, _: engine.vms.disk_detach("one", "vdb", CALL),
    "disk_resize": lambda engine, _: engine.vms.disk_resize("one", "vdb", 16, CALL),
    "cd_eject": lambda engine, _: engine.vms.cd_change("one", "", CALL),
    "cd_spare": lambda engine, _: engine.vms.cd_change("one", "spare", CALL),
    "cd_insert": lambda engine, _: engine.vms.cd_change("one", "disc", CALL),
    "nic_attach": lambda engine, _: engine.vms.nic_attach("one", {"NETWORK": "lan"}, CALL),
    "mount": lambda engine, _: engine.datastores.create(MOUNTED, CALL),
    "unmount": lambda engine, _: engine.datastores.remove("mounted", CALL),
    "inside": lambda engine, _: engine.networks.create(INSIDE, CALL),
    "nic_inside": lambda engine, _: engine.vms.nic_attach("one", {"NETWORK": "inside"}, CALL),
    "wire": lambda engine, _: engine.networks.create(WIRE, CALL),
    "nic_wire": lambda engine, _: engine.vms.nic_attach("one", {"NETWORK": "wire"}, CALL),
    "host_leaves": lambda engine, _: _host_leaves(engine),
    "rename": lambda engine, _: engine.vms.rename("one", "first", CALL),
    "guarded": lambda engine, _: engine.networks.update("lan", {"attributes": {"FILTER_IP_SPOOFING": "YES"}}, CALL),
    "alias_attach": lambda engine, _: engine.vms.nic_attach("one", {"NETWORK": "lan", "PARENT": "NIC0"}, CALL),
    "alias_detach": lambda engine, _: engine.vms.nic_detach("one", "NIC0_ALIAS0", CALL),
    "nic_detach": lambda engine, _: engine.vms.nic_detach("one", "0", CALL),
    "nic_update": lambda engine, _: engine.vms.nic_update("one", "0", {"INBOUND_AVG_BW": 9}, CALL),
    "nic_groups": lambda engine, _: engine.vms.nic_update("one", "0", {"SECURITY_GROUPS": "default"}, CALL),
    "group_update": lambda engine, _: engine.securitygroups.update("default", {"add": [_INBOUND]}, CALL),
    "delete": lambda engine, _: engine.vms.recover("one", "delete", CALL),
    "recreate": lambda engine, _: engine.vms.recover("one", "recreate", CALL),
    "leave_behind": lambda engine, _: _leave_behind(engine),
    "clean": lambda engine, _: engine.hosts.clean("h1", CALL),
    "evacuate": lambda engine, _: engine.hosts.evacuate(engine.vms.show("one").body["host"], CALL),
    "plan": lambda engine, _: _plan(engine),
    "apply_plan": lambda engine, _: engine.drs.apply(1, CALL),
    "image": lambda engine, home: engine.images.create(_picture(home), CALL),
    "image_empty": lambda engine, _: engine.images.create({"name": "other", "size": 1 << 20, "datastore": "disks"}, CALL),
    "image_clone": lambda engine, _: engine.images.clone("base", "other", CALL),
    "image_remove": lambda engine, _: engine.images.remove("base", CALL),
    "host_add": lambda engine, _: engine.hosts.add({"name": "h4", "driver": "sim"}, CALL),
    "host_remove": lambda engine, _: engine.hosts.remove("h3", CALL),
    "network_remove": lambda engine, _: engine.networks.remove("lan", CALL),
    "pause": lambda engine, _: _pause(engine),
    "tell": lambda engine, _: engine.vms.update("one", {"CONTEXT": {"COLOUR": "blue"}}, CALL),
    "adopt": lambda engine, _: _adopt(engine),
    "terminate_with_disks": lambda engine, _: engine.vms.terminate("one", CALL, delete_disks=True),
}


def act(verb: str, home: Path, engine: Any) -> None:
    """Do the verb on the VM "one", with an engine or one of its clients."""
    known = DEEDS.get(verb)
    if known is not None:
        known(engine, home)
        return
    name, _, hard = verb.partition("_")
    getattr(engine.vms, name)("one", CALL, **({"hard": True} if hard else {}))


def _pause(engine: LocalEngine) -> None:
    """Behind the engine's back, which then sees it."""
    vm = engine.vms.show("one").body
    engine.services.transports.world().virsh(vm["host"], "suspend", vm["uuid"])
    assert engine.vms.show("one", refresh=True).body["state"] == "SUSPENDED"


def _adopt(engine: LocalEngine) -> None:
    """A domain that somebody made with virsh becomes a VM."""
    engine.services.transports.world().virsh.add_foreign("h1", "one")
    engine.vms.adopt("h1", "one", CALL)


def deed(verb: str, home: Path) -> Deed:
    """The verb as something that a child process can do."""
    return partial(act, verb, home)


def kinds_of_jobs(home: Path) -> list[str]:
    """The kind of every job that was ever filed in the home."""
    used = read_only(home)
    try:
        return [row.kind for row in used.services.store.read().select(JobRow)]
    finally:
        used.close()
