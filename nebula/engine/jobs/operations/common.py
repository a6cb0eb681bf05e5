"""What the operations on VMs share: where its disks and cards are, and how they are made and taken away on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula import typed
from nebula.drivers.base import Datastore
from nebula.engine.firewall.filters import Filters, asks_for_filters
from nebula.engine.firewall.refresh import members_changed
from nebula.engine.jobs.base import Lock
from nebula.engine.jobs.operations import filtering, serving, tunnels
from nebula.engine.jobs.operations.boot_files import boot_paths, bring_boot_files, drop_boot_files
from nebula.engine.jobs.operations.context_files import context_files
from nebula.engine.jobs.operations.image_copies import add_copy, bring, drop
from nebula.engine.lifecycle.states import HostState, ImageState
from nebula.engine.machines.disks import Disk
from nebula.engine.machines.domain import context_iso, design
from nebula.engine.machines.hardware.needs import asks
from nebula.engine.machines.held import Held
from nebula.engine.machines.machine import Machine, Nic, body_of, machine_of
from nebula.engine.machines.networks import network_spec, nic_spec, on_bridge
from nebula.engine.onegate import gate_settings
from nebula.engine.schedules.keep import forget as forget_schedules
from nebula.engine.serving import leases_changed
from nebula.engine.store.rows import (
    ClusterRow,
    DatastoreRow,
    HistoryRow,
    HostRow,
    ImageCopyRow,
    ImageRow,
    LeaseRow,
    NetworkRow,
    ReservationRow,
    VmRow,
)
from nebula.errors import ConflictError, NebulaError, NotFoundError
from nebula.model.domain import DomainSpec, DomainState
from nebula.model.storage import DiskSpec

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Queries, Transaction
    from nebula.model.network import NetworkSpec
from nebula.engine.tunnels import STATIC


def vm_lock(job: JobRow) -> Lock:
    """Per VM exclusive."""
    return Lock(f"vm:{job.target_id}", 1)


def start_lock(job: JobRow, settings: Settings) -> Lock:
    """Starts per host."""
    return Lock(f"host:{job.args['host']}:start", settings.starts_per_host)


class Site:
    """A VM's parts as a job sees them: its machine, datastores and networks, read once."""

    def __init__(self, context: JobContext) -> None:
        self._filed = context.services.errands.filed
        store = context.services.store
        self.context = context
        self.vm: VmRow = context.vm()
        self.machine: Machine = machine_of(self.vm)
        ids = {disk.datastore_id for disk in self.machine.disks} | {self.vm.datastore_id}
        pool = context.services.pool
        self.datastores: dict[int, Datastore] = {
            ds_id: pool.datastore(store.known(DatastoreRow, ds_id)) for ds_id in ids if ds_id > 0
        }
        self.network_rows = {number: store.known(NetworkRow, number) for number in self.machine.network_ids}
        """Those of its aliases, too, which no host needs."""
        self.networks = {nic.network_id: network_spec(self.network_rows[nic.network_id]) for nic in self.machine.nics}

        self.direct = {nic.network_id: network_spec(self.network_rows[nic.network_id]) for nic in self.machine.passthrough}
        """Networks of cards that are on no bridge: hosts make nothing for those."""

    @property
    def unfiltered(self) -> bool:
        """Nobody asked for filters of its cards when it was read, and nothing has changed since."""
        cards, networks = self.machine.nics, [self.network_rows[number] for number in self.networks]
        unchanged = self._filed == self.context.services.errands.filed
        return unchanged and not any(nic.grouped for nic in cards) and not any(map(asks_for_filters, networks))

    def networks_at(self, host_id: int) -> dict[int, NetworkSpec]:
        """The networks as that host has them."""
        return {number: network.at(host_id) for number, network in self.networks.items()}

    def specs(self) -> list[DiskSpec]:
        """All disks."""
        return [disk.spec(self.vm.id) for disk in self.machine.disks if not disk.empty]

    def by_datastore(self) -> list[tuple[Datastore, list[DiskSpec]]]:
        """The disks grouped by their datastore; the home of the context CD is there even without a disk."""
        groups: dict[int, list[DiskSpec]] = {number: [] for number in self.datastores}
        for disk in self.machine.disks:
            if not disk.empty:
                groups[disk.datastore_id].append(disk.spec(self.vm.id))
        return [(self.datastores[number], disks) for number, disks in groups.items()]

    def store_of(self, disk: Disk) -> Datastore:
        """The disk's datastore."""
        return self.datastores[disk.datastore_id]

    @property
    def home(self) -> Datastore | None:
        """The datastore that holds the context CD."""
        return self.datastores.get(self.vm.datastore_id)


def site(context: JobContext) -> Site:
    """The job's site: read once a run of the job, since only the job itself changes the VM meanwhile."""
    found: Site | None = context.cache.get("site")
    if found is None:
        found = context.cache["site"] = Site(context)
    return found


def bring_images(site: Site, host_id: int) -> None:
    """See that every image of the VM is on the host, from another host if need be; those that it boots from, too."""
    for disk in site.machine.disks:
        if disk.image is not None and disk.kind != "persistent" and not disk.whole:  # a persistent one goes with its VM only
            bring(site.context, site.store_of(disk), disk.image, disk.image_name, host_id)
    bring_boot_files(site.context, site.machine, host_id)


def drop_images(site: Site, host_id: int) -> None:
    """Undo of bring_images: an image that did not come whole to the host is not left there half, or unknown to us."""
    for disk in site.machine.disks:
        image, driver = None if disk.whole else disk.image, site.datastores.get(disk.datastore_id)
        if image is not None and driver is not None and disk.kind != "persistent":
            drop(site.context, driver, image, host_id)
    drop_boot_files(site.context, site.machine, host_id)


def end_copies(site: Site, host_id: int) -> None:
    """End what this job's long commands may still do on the host; before the undo takes away their files."""
    for driver in site.datastores.values():
        driver.abandon(site.context.handle(host_id), f"job-{site.context.job.id}")


def make_disks(site: Site, host_id: int) -> None:
    """Make the disks on the host; each is there and whole after it."""
    handle = site.context.handle(host_id)
    for disk in site.machine.disks:
        if disk.empty:
            continue
        site.store_of(disk).create_disk(
            handle,
            disk.spec(site.vm.id),
            job=f"{site.context.work_name}-disk{disk.disk_id}",
            progress=site.context.report,
            cancel=site.context.cancel,
        )


def write_context(site: Site, host_id: int, vm: VmRow | None = None) -> str:
    """Write the context CD; returns its path, "" for a VM that has no datastore to keep one in. `vm`: the VM as it is to be
    told of, where that is not as it is.
    """
    if site.home is None:
        return ""
    return site.home.write_context(site.context.handle(host_id), site.vm.id, context_cd(site, host_id, vm))


def context_cd(site: Site, host_id: int, vm: VmRow | None = None) -> bytes:
    """What is on the VM's context CD, made for that host."""
    endpoint = gate_settings(site.context.services.store.read()).endpoint if site.machine.token else ""
    return context_iso(vm or site.vm, site.network_rows, context_files(site.context, site.machine, host_id), endpoint)


def context_path(site: Site, host_id: int) -> str:
    """Where the context CD is; "" for a VM that has no datastore to keep one in."""
    return site.home.context_path(site.context.handle(host_id), site.vm.id) if site.home else ""


def medium(site: Site, disk: Disk, host_id: int) -> str:
    """The file of a disk on the host; "" for an empty CD drive."""
    if disk.empty:
        return ""
    return site.store_of(disk).disk_path(site.context.handle(host_id), disk.spec(site.vm.id))


def remove_disks(site: Site, host_id: int, *, keep_persistent: bool = True) -> None:
    """Delete the VM's files on the host."""
    handle = site.context.handle(host_id)
    for driver, disks in site.by_datastore():
        driver.remove_vm(handle, site.vm.id, disks, keep_persistent=keep_persistent)


def prepare_networks(site: Site, host_id: int) -> None:
    """Bridges are there, with their DHCP, and filters for the VM's cards: nothing passes before its rules do."""
    for network in site.networks_at(host_id).values():
        with site.context.hold(on_bridge(network, host_id)):
            site.context.services.pool.network(network.driver).prepare(site.context.handle(host_id), network)
            if network.dhcp:
                serving.serve(site.context, host_id, network.bridge_id)
            if network.vxlan_mode == STATIC:
                tunnels.tunnel(site.context, host_id, network.bridge_id)
    for nic in site.machine.nics:
        network = site.networks[nic.network_id].at(host_id)
        site.context.services.pool.network(network.driver).expect(
            site.context.handle(host_id), nic_spec(site.vm.id, nic, network)
        )
    set_filters(site, host_id)


def plug(site: Site, host_id: int) -> None:
    """Cards are on their bridges, with the filters that they should have by now."""
    handle = site.context.handle(host_id)
    for nic in site.machine.nics:
        network = site.networks[nic.network_id].at(host_id)
        site.context.services.pool.network(network.driver).plugged(handle, nic_spec(site.vm.id, nic, network))
    set_filters(site, host_id)


def set_filters(site: Site, host_id: int) -> None:
    """See filtering.set_filters."""
    if site.unfiltered and not site.context.cache.get("filters"):
        return
    filtering.set_filters(site.context, host_id, site.vm.id, site.machine.nics)


def unplug(site: Site, host_id: int) -> None:
    """Taps and filters are gone; bridges of ours that nobody uses on the host too."""
    for nic in site.machine.nics:
        _unplug(site, nic, host_id)
    for network in site.networks.values():
        _release(site, network.network_id, host_id)


def unplug_card(site: Site, nic: Nic, host_id: int) -> None:
    """The same for one card of a VM that keeps others."""
    _unplug(site, nic, host_id)
    if sum(other.network_id == nic.network_id for other in site.machine.nics) == 1:
        _release(site, nic.network_id, host_id)


def _unplug(site: Site, nic: Nic, host_id: int) -> None:
    network = site.networks[nic.network_id].at(host_id)
    handle = site.context.handle(host_id)
    driver = site.context.services.pool.network(network.driver)
    wanted = None if site.unfiltered else Filters(site.context.services.store.read()).of_vm(site.vm.id).get(nic.nic_id)
    card = nic_spec(site.vm.id, nic, network, wanted)
    if wanted is None:
        driver.unplugged(handle, card)
        return
    with site.context.hold(f"filters:{host_id}"):
        driver.unplugged(handle, card)
        site.context.cache.get("filters", {}).pop((host_id, nic.tap), None)


def _release(site: Site, network_id: int, host_id: int) -> None:
    network = site.networks[network_id].at(host_id)
    with site.context.hold(on_bridge(network, host_id)):
        if not bridge_used(site.context.services.store.read(), network.bridge, host_id, but=site.vm.id):
            site.context.services.pool.network(network.driver).release(site.context.handle(host_id), network)


def bridge_used(queries: Queries, bridge: str, host_id: int, *, but: int = -1) -> bool:
    """Whether a VM there, other than `but`, has a card on that bridge, be it by a reservation of the network."""
    rows = queries.rows(
        'SELECT COUNT(*) FROM "lease" JOIN "vm" ON "vm"."id"="lease"."vm_id" '
        'JOIN "network" ON "network"."id"="lease"."network_id" '
        'WHERE "network"."bridge"=? AND "lease"."parent_id"=-1 AND "vm"."id"<>? AND "vm"."state"<>6 '
        'AND ("vm"."host_id"=? OR "vm"."target_host"=?)',
        (bridge, but, host_id, host_id),
    )
    return bool(rows[0][0])


def domain_spec(site: Site, host_id: int, context_path: str, vm: VmRow | None = None) -> DomainSpec:
    """The VM's domain as the host is told of it; `vm` as in write_context."""
    row = site.context.known_host(host_id)
    paths = {disk.disk_id: medium(site, disk, host_id) for disk in site.machine.disks}
    cluster = site.context.services.store.known(ClusterRow, row.cluster_id)
    return design(
        vm or site.vm, virt=row.virt, baseline=cluster.baseline, paths=paths, context_path=context_path,
        networks={**site.direct, **site.networks},
        held=held_on(site, host_id), booted_files=boot_paths(site.context, site.machine, host_id),
    )  # fmt: skip


def start_domain(site: Site, host_id: int, context_path: str) -> None:
    """Define and start the domain on the host."""
    make_ready(site, host_id)
    site.context.hypervisor(host_id).start(domain_spec(site, host_id, context_path))


def make_ready(site: Site, host_id: int) -> None:
    """The VM's disks can be opened on the host, and nobody writes to them, as far as QEMU itself would not see to that; but
    this very domain may run already.
    """
    bring_boot_files(site.context, site.machine, host_id)  # what it boots may be others since it came to the host
    asleep = [disk for disk in site.machine.disks if not disk.empty and site.store_of(disk).capabilities.activates]
    asked = [
        disk
        for disk in site.machine.disks
        if not (disk.empty or disk.readonly or disk.shareable or site.store_of(disk).capabilities.exclusive)
    ]
    if not (asleep or asked) or _runs(site, host_id):
        return
    handle = site.context.handle(host_id)
    for disk in asleep:
        site.store_of(disk).activate(handle, disk.spec(site.vm.id))
    for disk in asked:
        store, spec = site.store_of(disk), disk.spec(site.vm.id)
        if store.capabilities.registers:  # whoever has the SAN may have taken the LUN away since it was looked at
            store.create_disk(handle, spec, job="", progress=None, cancel=site.context.cancel)
        store.require_unused(handle, spec)
        if store.capabilities.known_there:
            _require_unused_elsewhere(site, store, spec, host_id)


def _require_unused_elsewhere(site: Site, store: Datastore, spec: DiskSpec, host_id: int) -> None:
    """No other host that is fit to answer has a user of the disk."""
    states = (int(HostState.MONITORED), int(HostState.DISABLED))
    for host in site.context.services.store.read().select(
        HostRow, '"id"<>? AND "state" IN (?,?) ORDER BY "id"', (host_id, *states)
    ):
        try:
            store.require_unused(site.context.handle(host.id), spec)
        except ConflictError:
            raise
        except NebulaError as error:
            site.context.log(f"host {host.name} was not asked who uses disk {spec.disk_id}: {error}", "warning")


def _runs(site: Site, host_id: int) -> bool:
    found = site.context.hypervisor(host_id).lookup(site.vm.uuid)
    return found is not None and found.state not in {DomainState.SHUTOFF, DomainState.CRASHED}


def held_on(site: Site, host_id: int) -> Held | None:
    """What the VM has of the host for itself."""
    if not asks(site.machine.template):
        return None
    row = site.context.services.store.read().first(ReservationRow, '"vm_id"=? AND "host_id"=?', (site.vm.id, host_id))
    return typed.convert(row.body, Held) if row is not None else None


def remove_domain(context: JobContext, host_id: int, uuid: str) -> None:
    """Power off hard and forget."""
    hypervisor = context.hypervisor(host_id)
    hypervisor.destroy(uuid)
    hypervisor.undefine(uuid)


def runs_elsewhere(context: JobContext, vm: VmRow, host_id: int, *, everywhere: bool) -> None:
    """Make sure that no other host than `host_id` runs the VM: ConflictError if one does.

    Hosts where it may still be (its open stay, those that a failed job left it on) must answer; `everywhere` asks all
    others too that are fit to answer.
    """
    read = context.services.store.read()
    must = {row.host_id for row in read.select(HistoryRow, '"vm_id"=? AND "ended"=0', (vm.id,))}
    must |= set(machine_of(vm).left_on)
    for host in read.select(HostRow, '"id"<>? ORDER BY "id"', (host_id,)):
        if host.id not in must and not (everywhere and host.state in {HostState.MONITORED, HostState.DISABLED}):
            continue
        try:
            reality = context.hypervisor(host.id).lookup(vm.uuid)
        except NebulaError as error:
            if host.id in must:
                raise
            context.log(f"host {host.name} was not asked for VM {vm.name}: {error}", "warning")
            continue
        if reality is not None and reality.state.value in {"running", "paused", "shutdown"}:
            raise ConflictError(
                f"VM {vm.name} ({vm.id}) already runs on host {host.name}",
                cause="somebody moved or started it there without nebula",
                hint=f"virsh migrate it back, or end it there, then: nebula vm resume {vm.id}",
            )


def left_on(tx: Transaction, vm: VmRow, host_id: int) -> None:
    """Remember that something of the VM may be on the host."""
    machine = machine_of(vm)
    machine.left_on = sorted({*machine.left_on, host_id})
    tx.swap(vm, body=body_of(machine))


def begin_stay(tx: Transaction, vm: VmRow, host: HostRow, action: str, actor: str, reason: str = "") -> None:
    """A new record in the VM's history; the open one ends."""
    [(seq, open_stays)] = tx.rows(
        'SELECT COUNT(*), COUNT(CASE WHEN "ended"=0 THEN 1 END) FROM "history" WHERE "vm_id"=?', (vm.id,)
    )
    if open_stays:
        end_stay(tx, vm)
    tx.insert(
        HistoryRow(
            vm_id=vm.id,
            seq=int(seq),
            host_id=host.id,
            host=host.name,
            action=action,
            reason=reason,
            actor=actor,
            started=tx.now,
        )
    )


def end_stay(tx: Transaction, vm: VmRow) -> None:
    """The open record of the VM's history ends."""
    tx.execute('UPDATE "history" SET "ended"=? WHERE "vm_id"=? AND "ended"=0', (tx.now, vm.id))


def forget_machine(tx: Transaction, vm: VmRow, services: Services) -> None:
    """A VM's leases go back and its images are free: part of the transaction that makes it DONE."""
    machine = machine_of(vm)
    for network_id in machine.network_ids:
        tx.execute(
            'UPDATE "network" SET "used_leases"="used_leases"-1, "generation"="generation"+1 WHERE "id"=?', (network_id,)
        )
    leases = tx.select(LeaseRow, '"vm_id"=?', (vm.id,))
    tx.execute('DELETE FROM "lease" WHERE "vm_id"=?', (vm.id,))
    members_changed(tx, services, leases, vm.owner)
    leases_changed(tx, services, leases, vm.owner)
    if asks(machine.template):
        tx.execute('DELETE FROM "reservation" WHERE "vm_id"=?', (vm.id,))
    if machine.template.get("VMGROUP"):
        tx.execute('DELETE FROM "vmgroup_member" WHERE "vm_id"=?', (vm.id,))
    for disk in machine.disks:
        if disk.image_id > 0:
            release_image(tx, disk.image_id)
    forget_schedules(tx, vm.id)
    end_stay(tx, vm)


def use_image(tx: Transaction, image: ImageRow) -> None:
    """One VM more uses the image."""
    now = tx.known(ImageRow, image.id)
    used = ImageState.USED_PERS if now.persistent else ImageState.USED
    state = now.state if now.state == ImageState.LOCKED else int(used)
    tx.swap(now, running_vms=now.running_vms + 1, state=state)


def release_image(tx: Transaction, image_id: int) -> None:
    """One VM fewer uses the image."""
    try:
        image = tx.get(ImageRow, image_id)
    except NotFoundError:
        return
    left = max(0, image.running_vms - 1)
    used = ImageState.USED_PERS if image.persistent else ImageState.USED
    state = int(ImageState.READY) if image.state == used and not left else image.state
    tx.swap(image, running_vms=left, state=state)


def move_persistent(tx: Transaction, vm: VmRow, source: int, target: int) -> None:
    """A persistent image goes with its VM: its copy is at the target now, and only there."""
    for disk in machine_of(vm).disks:
        if disk.kind != "persistent" or disk.image_id < 0:
            continue
        if tx.count(ImageCopyRow, '"image_id"=? AND "host_id"=?', (disk.image_id, source)):
            tx.execute('DELETE FROM "image_copy" WHERE "image_id"=? AND "host_id"=?', (disk.image_id, source))
            add_copy(tx, disk.image_id, target)
