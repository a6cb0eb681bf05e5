"""A new VM: its template checked and completed, images and addresses taken, all in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nebula.drivers.base import DatastoreCapabilities
from nebula.engine.context import asks_token, check_context, file_references
from nebula.engine.firewall.groups import ATTRIBUTE, named, packed
from nebula.engine.firewall.refresh import members_changed
from nebula.engine.jobs.operations.common import use_image
from nebula.engine.leases import Leases, prefix_length6, second_ip6
from nebula.engine.lifecycle.states import ImageState, VmState
from nebula.engine.local.access import Right, may, require
from nebula.engine.local.base import resolve, usable
from nebula.engine.local.luns import makes
from nebula.engine.local.rules import right_to
from nebula.engine.machines import aliases, cards, passthrough
from nebula.engine.machines.boot_images import boot_datastores
from nebula.engine.machines.disks import Disk, plan, suit
from nebula.engine.machines.domain import tap_name
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.hardware.declared import MAX_VCPUS
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.hardware.system import boot_files
from nebula.engine.machines.machine import Alias, Machine, Nic, PassthroughNic, addresses_of, body_of
from nebula.engine.machines.template import Template, hundredths, mebibytes, whole, yes
from nebula.engine.onegate import new_token
from nebula.engine.people import ENGINE, Person
from nebula.engine.scheduler.choices import choose_datastore, choose_networks, wishes_datastore
from nebula.engine.scheduler.membership import GROUP, join
from nebula.engine.scheduler.wish_checks import check_card_wishes, check_wishes
from nebula.engine.schedules.keep import add_all
from nebula.engine.services import Services
from nebula.engine.serving import leases_changed
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, ImageRow, LeaseRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.engine.templates.variables import filled
from nebula.errors import CapacityError, ConflictError, UsageError

MAX_NICS = 32
MAX_ALIASES = 64
DEFAULT_MEMORY_MIB = 512


class Creation:
    """One VM's creation in one transaction, in somebody's name: it uses what `person` may use."""

    def __init__(self, tx: Transaction, services: Services, leases: Leases, actor: str, person: Person = ENGINE) -> None:
        self._tx = tx
        self._services = services
        self._leases = leases
        self._actor = actor
        self._person = person

    def create(self, template: Template, *, hold: bool, template_id: int = -1, prefix: str = "vm") -> VmRow:
        """The stored row, with its event. `template_id`: the stored template that it comes from; without a name, it is called
        `prefix` and its id.
        """
        vcpus = whole(template, "VCPU", 1, 1, MAX_VCPUS)
        memory = mebibytes(template, "MEMORY", DEFAULT_MEMORY_MIB)
        template = with_password(template, self._services.new_uuid)
        disk_ids, nic_ids = (range(len(template.get(name, ()))) for name in ("DISK", "NIC"))
        check_hardware(template, vcpus=vcpus, memory=memory, disks=disk_ids, nics=nic_ids)
        self.check_boot_files(template)
        named = {**template, "NAME": template.get("NAME") or "vm"}
        check_wishes(self._tx, named)
        check_card_wishes(self._tx, named)
        hold = hold or yes(template, "SUBMIT_ON_HOLD")
        system = one(template, "OS")
        disks, images = plan(
            template.get("DISK", []), self._image, lambda: self._home_of_disks(named), system.word("SD_DISK_BUS")
        )
        for disk, asked in zip(disks, template.get("DISK", []), strict=True):
            suit(disk, asked, self.able)
        vm = self._tx.insert(
            VmRow(
                name=str(template.get("NAME") or "vm"),
                uuid=self._uuid(system.word("UUID").lower()),
                owner=self._actor,
                group=self._services.people.group_of(self._actor),
                state=int(_first_state(images, hold=hold)),
                cpu=hundredths(template, "CPU", float(vcpus)),
                vcpus=vcpus,
                memory=memory,
                disk=sum(disk.size or (disk.image.size if disk.image else 0) for disk in disks),
                autostart=int(yes(template, "AUTOSTART")),
                created=self._tx.now,
                since=self._tx.now,
                template_id=template_id,
                cluster_id=self._cluster(template),
                datastore_id=disks[0].datastore_id if disks else self._context_home(named),
            )
        )
        if template.get(GROUP):
            join(self._tx, vm, template, self._person)
        if not template.get("NAME"):
            self._tx.swap(vm, name=f"{prefix}-{vm.id}")
        machine = self._machine(vm, template, disks, images, hold=hold)
        for image in images:
            use_image(self._tx, image)
        self._tx.swap(vm, body=body_of(machine), ips=addresses_of(machine))
        for action in add_all(self._tx, vm, template, self._actor):
            require(self._person, vm, right_to(action), vm.name)
        self._tx.event("vm.created", "vm", vm.id, actor=self._actor, name=vm.name, state=VmState(vm.state).name)
        return vm

    def _machine(self, vm: VmRow, template: Template, disks: list[Disk], images: list[ImageRow], *, hold: bool) -> Machine:
        """What the row is of: with leases of its cards and aliases, and what its guest is told."""
        machine = Machine(
            template=template,
            disks=disks,
            nics=self._nics(vm, template),
            passthrough=self._functions(vm, template),
            prefer_host=self._host(template),
            hold=hold,
        )
        for asked in template.get("NIC_ALIAS", ()):
            self.add_alias(vm, asked, machine)
        if template.get("CONTEXT"):
            machine.template = {**template, "CONTEXT": self.filled(vm, machine, images)}
            self.check_context(machine.template["CONTEXT"])
            machine.token = new_token() if asks_token(machine.template["CONTEXT"]) else ""
        return machine

    def able(self, datastore_id: int) -> DatastoreCapabilities:
        """What the datastore can do."""
        return self._services.pool.datastore(self._tx.known(DatastoreRow, datastore_id)).capabilities

    def makes_disks(self, datastore_id: int) -> bool:
        """Whether empty disks can be made in a datastore."""
        return makes(self._services, self._tx.get(DatastoreRow, datastore_id))

    def further_nic(self, vm: VmRow, item: Mapping[str, Any], machine: Machine) -> Nic:
        """A card for a VM that exists, with its lease."""
        defaults = machine.template.get("NIC_DEFAULT") or {}
        nic = self._nic(vm, machine.next_nic_id(), {**defaults, **item}, machine.template, machine.nics)
        nic.asked = dict(item)
        return nic

    def add_alias(self, vm: VmRow, item: Mapping[str, Any], machine: Machine) -> Alias:
        """An alias of the card that PARENT names, with its lease."""
        number = machine.next_nic_id()
        if len(machine.aliases) >= MAX_ALIASES:
            raise UsageError(f"a VM's cards have at most {MAX_ALIASES} aliases", hint="detach one first")
        parent, ref = aliases.parent_of(machine.nics, item), item.get("NETWORK_ID", item.get("NETWORK"))
        if ref in (None, ""):
            raise UsageError("an alias names its NETWORK", hint="nebula network list")
        network = usable(self._tx, NetworkRow, str(ref), self._person)
        wanted = str(item.get("IP") or item.get("MAC") or item.get("IP6") or "")
        lease = self._leases.take(self._tx, network, vm.id, number, wanted=wanted, parent_id=parent.nic_id)
        alias = aliases.made(number, parent, item, lease, network)
        alias.prefix_length6, alias.ip6_ula = prefix_length6(self._tx, lease), second_ip6(self._tx, lease)
        aliases.require_free_name(machine, alias.name)
        parent.aliases.append(alias)
        card = self._tx.first(LeaseRow, '"vm_id"=? AND "nic_id"=?', (vm.id, parent.nic_id))
        members_changed(self._tx, self._services, [card] if card is not None else [], self._actor)
        return alias

    def _uuid(self, asked: str) -> str:
        """A UUID of its own, or the one that was asked for."""
        if asked and (other := self._tx.first(VmRow, '"uuid"=?', (asked,))) is not None:
            raise ConflictError(
                f"VM {other.name} ({other.id}) has the UUID {asked} already", hint="leave OS/UUID out: each VM gets its own"
            )
        return asked or self._services.new_uuid()

    def check_context(self, context: Mapping[str, Any]) -> None:
        """UsageError for what no CD carries; NotFoundError, DeniedError, ConflictError for files that cannot be on it."""
        check_context(context)
        for ref in file_references(str(context.get("FILES_DS") or "")):
            self._require_file(ref, "context", "goes on a context CD")

    def check_boot_files(self, template: Template) -> None:
        """The same for kernels and RAM disks out of datastores."""
        for kind, ref in boot_files(template).items():
            self._require_file(ref, kind, f"is booted as a {kind}")

    def _require_file(self, ref: str, kind: str, use: str) -> None:
        image = self._image(ref)
        if image.type != kind:
            raise UsageError(
                f"image {image.name} is of type {image.type}: only what is of type {kind} {use}",
                hint=f"nebula image list type={kind}",
            )
        if image.state not in {ImageState.READY, ImageState.USED}:
            raise ConflictError(f"image {image.name} is {ImageState(image.state).name}", hint=f"nebula image show {image.id}")

    def filled(self, vm: VmRow, machine: Machine, images: list[ImageRow]) -> dict[str, Any]:
        """The context with its variables."""
        context = machine.template["CONTEXT"]
        if not any("$" in str(value) for value in context.values()):
            return dict(context)
        named = {**machine.template, "NAME": vm.name, "VMID": vm.id, "UNAME": vm.owner, "GNAME": vm.group}
        return filled(context, named, self._groups(machine, images))

    def _groups(self, machine: Machine, images: list[ImageRow]) -> dict[str, list[dict[str, Any]]]:
        """What variables may name beside the template's own groups. There are no keys of users yet."""
        networks = [self._tx.get(NetworkRow, nic.network_id) for nic in machine.nics]
        return {
            "NIC": [
                {**machine.card(nic), "NIC_ID": nic.nic_id, "NETWORK": nic.network, "MAC": nic.mac}
                | {"NETWORK_ID": nic.network_id, "IP": nic.ip, "IP6": nic.ip6}
                for nic in machine.nics
            ],
            "NETWORK": [
                {key.upper(): value for key, value in row.body.get("settings", {}).items()}
                | {**row.body.get("attributes", {}), "ID": row.id, "NAME": row.name, "BRIDGE": row.bridge}
                for row in networks
            ],
            "IMAGE": [
                {"ID": image.id, "NAME": image.name, "IMAGE": image.name, "IMAGE_ID": image.id, "SIZE": image.size >> 20}
                for image in images
            ],
            "USER": [],
        }

    def _image(self, ref: str) -> ImageRow:
        return usable(self._tx, ImageRow, ref, self._person)

    def _home_of_disks(self, template: Template) -> int:
        """Where empty disks go: beside the VM's first image, so that they travel together; else, or where the template says
        something about it, or nothing is made beside that image, into a system datastore.
        """
        images = self._images(template)
        if images and not wishes_datastore(template) and self.makes_disks(images[0].datastore_id):
            return images[0].datastore_id
        return self.system_datastore(template)

    def _images(self, template: Template) -> list[ImageRow]:
        named = (item.get("IMAGE_ID", item.get("IMAGE")) for item in template.get("DISK", []))
        return [self._image(str(ref)) for ref in named if ref is not None]

    def system_datastore(self, template: Template) -> int:
        """Where an empty disk of such a VM goes."""
        pool = self._services.pool
        return choose_datastore(
            self._tx, template, self._bound(template), lambda row: pool.datastore(row).capabilities.shared
        )  # fmt: skip

    def _bound(self, template: Template) -> frozenset[int]:
        """The clusters of what the template names: its cluster, its host, its images' datastores, its networks."""
        host = self._host(template)
        cards = (*template.get("NIC", ()), *template.get("NIC_ALIAS", ()), *template.get("PCI", ()))
        networks = (card.get("NETWORK_ID", card.get("NETWORK")) for card in cards)
        found = [
            self._cluster(template),
            self._tx.get(HostRow, host).cluster_id if host > 0 else -1,
            *(self._tx.get(DatastoreRow, image.datastore_id).cluster_id for image in self._images(template)),
            *(self._tx.get(DatastoreRow, number).cluster_id for number in boot_datastores(self._tx, template)),
            *(usable(self._tx, NetworkRow, str(ref), self._person).cluster_id for ref in networks if ref is not None),
        ]
        return frozenset(cluster for cluster in found if cluster > 0)

    def _context_home(self, template: Template) -> int:
        needed = template.get("CONTEXT") or template.get("NIC") or passthrough.asked_for(template)
        return self.system_datastore(template) if needed else -1

    def _cluster(self, template: Template) -> int:
        named = template.get("CLUSTER") or template.get("CLUSTER_ID")
        return resolve(self._tx, ClusterRow, str(named)).id if named else -1

    def _host(self, template: Template) -> int:
        named = template.get("HOST")
        return resolve(self._tx, HostRow, str(named)).id if named else -1

    def _nics(self, vm: VmRow, template: Template) -> list[Nic]:
        asked: list[Mapping[str, Any]] = template.get("NIC", [])
        if len(asked) > MAX_NICS:
            raise UsageError(f"a VM takes at most {MAX_NICS} cards", cause=f"got {len(asked)}", hint="leave some out")
        defaults = template.get("NIC_DEFAULT") or {}
        nics: list[Nic] = []
        for number, item in enumerate(asked):
            nics.append(self._nic(vm, number, {**defaults, **item}, template, nics))
        return nics

    def _functions(self, vm: VmRow, template: Template) -> list[PassthroughNic]:
        """Cards that are virtual functions, with their leases; their numbers follow those of the others."""
        asked = enumerate(passthrough.asked_for(template), len(template.get("NIC", ())))
        return [self.function(vm, nic_id, pci, item) for nic_id, (pci, item) in asked]

    def function(self, vm: VmRow, nic_id: int, pci: int, item: Mapping[str, Any]) -> PassthroughNic:
        """The card `nic_id` of the VM that is its PCI device number `pci`, with its lease."""
        network = usable(self._tx, NetworkRow, str(item.get("NETWORK_ID", item.get("NETWORK"))), self._person)
        passthrough.require_direct(network)
        wanted = str(item.get("IP") or item.get("MAC") or item.get("IP6") or "")
        lease = self._leases.take(self._tx, network, vm.id, nic_id, wanted=wanted, parent_id=passthrough.OF_NO_BRIDGE)
        members_changed(self._tx, self._services, [lease], self._actor)
        leases_changed(self._tx, self._services, [lease], self._actor)
        card = passthrough.made(nic_id, pci, item, lease, network)
        card.prefix_length6, card.ip6_ula = prefix_length6(self._tx, lease), second_ip6(self._tx, lease)
        return card

    def _nic(self, vm: VmRow, number: int, item: Mapping[str, Any], template: Template, others: list[Nic]) -> Nic:
        ref = item.get("NETWORK_ID", item.get("NETWORK"))
        groups = packed(named(self._tx, item.get(ATTRIBUTE), self._person))
        if ref is not None:
            network = usable(self._tx, NetworkRow, str(ref), self._person)
            wanted = str(item.get("IP") or item.get("MAC") or item.get("IP6") or "")
            lease = self._leases.take(self._tx, network, vm.id, number, wanted=wanted, groups=groups)
        elif str(item.get("NETWORK_MODE", "")).lower() == "auto":
            network, lease = self._any_network(vm, number, item, template, others, groups)
        else:
            raise UsageError(f"card {number} names no NETWORK", hint="nebula network list, or NETWORK_MODE=auto")
        members_changed(self._tx, self._services, [lease], self._actor)
        leases_changed(self._tx, self._services, [lease], self._actor)
        aliases.require_free_name(Machine(nics=others), str(item.get("NAME") or f"NIC{number}"))
        return Nic(
            nic_id=number,
            network_id=network.id,
            network=network.name,
            mac=lease.mac,
            ip=lease.ip,
            ip6=lease.ip6,
            prefix_length6=prefix_length6(self._tx, lease),
            ip6_ula=second_ip6(self._tx, lease),
            tap=tap_name(vm.id, number),
            grouped=bool(groups),
            **cards.settings_of(number, item, network.body.get("attributes") or {}),
        )

    def _any_network(
        self, vm: VmRow, number: int, item: Mapping[str, Any], template: Template, others: list[Nic], groups: str
    ) -> tuple[NetworkRow, LeaseRow]:
        """The best network that gives an address."""
        used = [nic.network_id for nic in others]
        chosen = (self._tx.get(NetworkRow, network_id).cluster_id for network_id in used)
        bound = self._bound(template) | {cluster for cluster in chosen if cluster > 0}
        full: CapacityError | None = None
        for network_id in choose_networks(self._tx, item, {**template, "NAME": vm.name}, bound, used):
            network = self._tx.get(NetworkRow, network_id)
            if not may(self._person, network, Right.USE):
                continue
            try:
                return network, self._leases.take(self._tx, network, vm.id, number, groups=groups)
            except CapacityError as error:
                full = error
        raise full or CapacityError(f"card {number}: no network has a free address", hint="nebula network list")


def with_password(template: Template, new_uuid: Callable[[], str]) -> Template:
    """RANDOM_PASSWD: one that nobody can guess and VNC can take."""
    asked = one(template, "GRAPHICS")
    if not asked.flag("RANDOM_PASSWD") or asked.given("PASSWD"):
        return template
    return {**template, "GRAPHICS": {**template["GRAPHICS"], "PASSWD": new_uuid().replace("-", "")[:8]}}


def _first_state(images: list[ImageRow], *, hold: bool) -> VmState:
    if any(image.state == ImageState.LOCKED for image in images):
        return VmState.CLONING
    return VmState.HOLD if hold else VmState.PENDING
