"""Virtual networks of the façade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.drivers.base import HostHandle
from nebula.engine import tunnels
from nebula.engine.addresses import check_subnet, from_attributes, overlaps, parse_span, to_attributes
from nebula.engine.api.values import Accepted, Call, Detail, Finding, Listing
from nebula.engine.firewall.groups import SETTING, named, naming, of_network
from nebula.engine.firewall.refresh import apply_network, groups_changed, network_changed
from nebula.engine.jobs.runner import Runner
from nebula.engine.leases import RESERVED, Leases, count, range_of
from nebula.engine.local.access import belongs
from nebula.engine.local.attributes import with_attributes
from nebula.engine.local.base import LABEL, OwnedNoun, free_name, resolve
from nebula.engine.local.network_segments import shared_bridge
from nebula.engine.local.network_spec import settings_of
from nebula.engine.local.network_uplinks import SETTING as DEVICES
from nebula.engine.local.network_uplinks import by_name, change, devices_of
from nebula.engine.machines.networks import network_spec, root_of
from nebula.engine.secrets import hide
from nebula.engine.services import Services
from nebula.engine.store.rows import AddressRangeRow, ClusterRow, HostRow, LeaseRow, NetworkRow, SecurityGroupRow, VmRow
from nebula.engine.store.transaction import Queries, Transaction
from nebula.errors import CapacityError, ConflictError, NotFoundError, UsageError
from nebula.model.host import Finding as HostFinding

_REMOVING = 3
"""OpenNebula's LOCK_DELETE."""


class LocalNetworks(OwnedNoun):
    """See nebula.engine.api.verbs.Networks."""

    noun = "network"
    kind = NetworkRow

    def __init__(self, services: Services, runner: Runner, leases: Leases) -> None:
        super().__init__(services, runner)
        self._leases = leases

    def show(self, ref: str) -> Detail:
        """One network with its ranges."""
        queries = self._store.read()
        row = resolve(queries, NetworkRow, ref)
        ranges = queries.select(AddressRangeRow, '"network_id"=? ORDER BY "number"', (row.id,))
        body = {
            "id": row.id,
            "name": row.name,
            "driver": row.driver,
            "bridge": row.bridge,
            "bridge_is_ours": bool(row.owned),
            "leases": row.used_leases,
            **belongs(row),
            "parent": row.parent_id if row.parent_id > 0 else None,
            **row.body.get("settings", {}),
            **({DEVICES: by_name(queries, row)} if DEVICES in row.body.get("settings", {}) else {}),
            **_names_of_groups(queries, row),
            "attributes": hide(row.body.get("attributes", {})),
            "ranges": [{"number": item.number, **to_attributes(range_of(item))} for item in ranges],
        }
        return Detail(kind="network", id=row.id, name=row.name, body=body)

    def leases(self, ref: str) -> Listing:
        """Every address taken, and by whom."""
        queries = self._store.read()
        row = resolve(queries, NetworkRow, ref)
        rows = queries.rows(
            'SELECT "lease"."ip", "lease"."ip6", "lease"."mac", "lease"."vm_id", "vm"."name", "lease"."nic_id", '
            '"lease"."parent_id" FROM "lease" '
            'LEFT JOIN "vm" ON "vm"."id"="lease"."vm_id" WHERE "lease"."network_id"=? '
            'ORDER BY "lease"."range_id", "lease"."position"',
            (row.id,),
        )
        found = [[ip, ip6, mac, _holder(vm_id, name, nic, parent)] for ip, ip6, mac, vm_id, name, nic, parent in rows]
        return Listing(columns=("ip", "ip6", "mac", "holder"), rows=found)

    def create(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Networks.create."""

        def work(tx: Transaction) -> Accepted:
            others = [network_spec(row) for row in tx.select(NetworkRow)]
            elsewhere = {host: device for host, device in devices_of(tx, spec.get(DEVICES)).items() if device}
            settings, ranges = settings_of({**spec, DEVICES: elsewhere}, others)
            groups = named(tx, spec.get(SETTING), self.person)
            if groups:
                settings[SETTING] = list(groups)
            cluster = spec.get("cluster")
            driver = str(spec.get("driver") or self._default_driver(tx))
            row = tx.insert(
                NetworkRow(
                    name=free_name(tx, NetworkRow, str(spec.get("name", ""))),
                    driver=driver,
                    bridge=str(spec.get("bridge") or ""),
                    owned=int(not spec.get("bridge")),
                    cluster_id=resolve(tx, ClusterRow, str(cluster)).id if cluster else -1,
                    **self._belongs(call),
                    body={"settings": settings},
                )
            )
            if not row.bridge:
                shared = shared_bridge(others, driver, settings)
                tx.swap(row, bridge=shared or f"onebr{row.id}")
            for number, item in enumerate(ranges):
                self._insert_range(tx, row, number, item)
            tx.event("network.created", "network", row.id, actor=call.actor, name=row.name)
            where = settings.get("subnet", "")
            would = (f"create network {row.name} on bridge {row.bridge} {where}".rstrip(),) if call.dry_run else ()
            return Accepted(kind="network", id=row.id, name=row.name, would=would)

        return self._change(call, work)

    def add_range(self, ref: str, spec: Mapping[str, Any], call: Call) -> Accepted:
        """More addresses."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            numbers = [item.number for item in tx.select(AddressRangeRow, '"network_id"=?', (row.id,))]
            self._insert_range(tx, row, max(numbers, default=-1) + 1, spec)
            network_changed(tx, self._services, row.id, call.actor)
            return self._told(tx, row, "updated", call)

        return self._change(call, work)

    def remove_range(self, ref: str, number: int, call: Call) -> Accepted:
        """Only a range without leases."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            found = tx.first(AddressRangeRow, '"network_id"=? AND "number"=?', (row.id, number))
            if found is None:
                raise NotFoundError(f"network {row.name} has no range {number}", hint=f"nebula network show {row.id}")
            taken = tx.count(LeaseRow, '"range_id"=?', (found.id,))
            if taken:
                raise ConflictError(
                    f"range {number} of network {row.name} has {taken} leases", hint=f"nebula network leases {row.id}"
                )
            tx.delete(found)
            network_changed(tx, self._services, row.id, call.actor)
            return self._told(tx, row, "updated", call)

        return self._change(call, work)

    def hold(self, ref: str, address: str, call: Call) -> Accepted:
        """Nobody gets this address."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            self._leases.hold(tx, row, address)
            return self._told(tx, row, "hold", call, address=address)

        return self._change(call, work)

    def release(self, ref: str, address: str, call: Call) -> Accepted:
        """An address on hold is free again."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            self._leases.release(tx, row, address)
            return self._told(tx, row, "release", call, address=address)

        return self._change(call, work)

    def reserve(self, ref: str, name: str, size: int, call: Call, first: str = "") -> Accepted:
        """See Networks.reserve: consecutive addresses of one range become a child network's."""
        if not 1 <= size <= 65536:
            raise UsageError("a reservation takes 1 to 65536 addresses", cause=f"got {size}", hint="--size 20")

        def work(tx: Transaction) -> Accepted:
            parent = resolve(tx, NetworkRow, ref)
            child = tx.insert(
                NetworkRow(
                    name=free_name(tx, NetworkRow, name),
                    driver=parent.driver,
                    bridge=parent.bridge,
                    owned=parent.owned,
                    cluster_id=parent.cluster_id,
                    parent_id=parent.id,
                    **self._belongs(call),
                    body={**{key: value for key, value in parent.body.items() if key != LABEL}, "root": root_of(parent)},
                )
            )
            self._move_addresses(tx, parent, child, size, first)
            return self._told(tx, child, "created", call, parent=parent.id)

        return self._change(call, work)

    def check(self, ref: str) -> list[Finding]:
        """Ask every host of its clusters, then guests' places on those that can carry it whether they reach each other."""
        from nebula.engine.reach.asking import Place, ask

        queries = self._store.read()
        row = resolve(queries, NetworkRow, ref)
        network = network_spec(row)
        driver = self._services.pool.network(row.driver)
        fit: list[Place] = []

        def look(host: HostHandle) -> list[HostFinding]:
            found = driver.check(host, network.at(host.host_id))
            if all(finding.level != "error" for finding in found):
                end, peers = tunnels.ends(queries, row, host.host_id)
                fit.append(Place(host=host, end=end, peers=tuple(peers)))
            return found

        found = self._ask_hosts(look, cluster=row.cluster_id)
        return [*found, *ask(driver, network, fit)]

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """Another name; the bridge keeps its own."""
        return self._rename(NetworkRow, ref, name, call)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Networks.update."""
        unknown = set(changes) - {"attributes", SETTING, DEVICES}
        if unknown:
            raise UsageError(f"a network has no {min(unknown)[:60]!r} to change", hint="--set KEY=VALUE")

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            if DEVICES in changes:
                change(tx, row, changes[DEVICES])
                row = resolve(tx, NetworkRow, str(row.id))
            before, body = row.body, with_attributes(row.body, changes.get("attributes") or {})
            groups = of_network(row)
            if SETTING in changes:
                settings = {key: value for key, value in body.get("settings", {}).items() if key != SETTING}
                wanted = named(tx, changes[SETTING], self.person)
                body = {**body, "settings": {**settings, **({SETTING: list(wanted)} if wanted else {})}}
            tx.swap(row, body=body)
            accepted = self._told(tx, row, "updated", call, changed=sorted(changes))
            groups_changed(tx, self._services, sorted({*groups} ^ {*of_network(row)}), call.actor)
            if _filters(before) == _filters(body):
                return accepted
            job_id = apply_network(tx, self._services, row, call.actor)
            return msgspec.structs.replace(accepted, job_id=0 if call.dry_run else job_id)

        return self._change(call, work)

    def remove(self, ref: str, call: Call) -> Accepted:
        """Refused while a VM has one of its addresses, or a reservation was taken from it."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, NetworkRow, ref)
            lease = tx.first(LeaseRow, '"network_id"=? AND "vm_id">0', (row.id,))
            if lease is not None:
                vm = tx.get(VmRow, lease.vm_id)
                raise ConflictError(
                    f"network {row.name} is in use by VM {vm.name} ({vm.id})", hint=f"nebula network leases {row.id}"
                )
            child = tx.first(NetworkRow, '"parent_id"=?', (row.id,))
            if child is not None:
                raise ConflictError(
                    f"network {row.name} has reservation {child.name}", hint=f"nebula network remove {child.id}"
                )
            self._refuse_named(tx, row)
            if row.parent_id > 0:
                return self._give_back(tx, row, call)
            if row.state == _REMOVING:
                raise ConflictError(f"network {row.name} is being removed", hint="nebula job list kind=network.remove")
            tx.swap(row, state=_REMOVING)
            job = self._file(tx, "network.remove", row.id, call, {})
            return Accepted(kind="network", id=row.id, name=row.name, job_id=job.id)

        return self._change(call, work)

    # --- parts

    def _refuse_named(self, tx: Transaction, row: NetworkRow) -> None:
        found = naming(tx, "NETWORK_ID", [row.id])
        if found:
            raise ConflictError(
                f"network {row.name} is named by security group {found[0].name}",
                hint=f"nebula securitygroup show {found[0].id}",
            )

    def _default_driver(self, tx: Transaction) -> str:
        drivers = {row.driver for row in tx.select(HostRow)}
        return "sim" if drivers == {"sim"} else "bridge"

    def _insert_range(self, tx: Transaction, network: NetworkRow, number: int, spec: Mapping[str, Any]) -> AddressRangeRow:
        made = from_attributes(spelled(spec), network.id * 256 + number)
        settings = network.body.get("settings", {})
        made = check_subnet(made, settings.get("gateway", ""), int(settings.get("prefix_length", 24)))
        for other in tx.select(AddressRangeRow, '"network_id"=?', (network.id,)):
            common = overlaps(made, range_of(other))
            if common:
                raise ConflictError(
                    f"the range overlaps range {other.number} of network {network.name}", cause=", ".join(common),
                    hint=f"nebula network show {network.id}",
                )  # fmt: skip
        return tx.insert(AddressRangeRow(network_id=network.id, number=number, size=made.size, body=msgspec.to_builtins(made)))

    def _move_addresses(self, tx: Transaction, parent: NetworkRow, child: NetworkRow, size: int, first: str) -> None:
        taken = self._leases.take(tx, parent, RESERVED, child.id, wanted=first)
        whole = tx.get(AddressRangeRow, taken.range_id)
        span = range(taken.position + 1, taken.position + size)
        busy = tx.count(
            LeaseRow, '"range_id"=? AND "position">? AND "position"<?', (whole.id, taken.position, taken.position + size)
        )
        if busy or taken.position + size > whole.size:
            raise CapacityError(
                f"network {parent.name} has no {size} free addresses in a row from {taken.ip or taken.mac}",
                hint=f"--first ADDRESS, or nebula network leases {parent.id}",
            )
        from nebula.engine.addresses import address_at

        ar = range_of(whole)
        for position in span:
            at = address_at(ar, position)
            tx.insert(
                LeaseRow(
                    network_id=parent.id,
                    range_id=whole.id,
                    position=position,
                    vm_id=RESERVED,
                    nic_id=child.id,
                    mac=at.mac,
                    ip=at.ip,
                    ip6=at.ip6,
                )
            )
        count(tx, parent, size - 1)
        part = msgspec.structs.replace(ar, size=size, mac=taken.mac, ip=taken.ip, ip6=taken.ip6 if ar.ip6 else "")
        tx.insert(AddressRangeRow(network_id=child.id, number=0, size=size, body=msgspec.to_builtins(part)))

    def _give_back(self, tx: Transaction, row: NetworkRow, call: Call) -> Accepted:
        parent = tx.get(NetworkRow, row.parent_id)
        mine = '"network_id"=? AND "vm_id"=? AND "nic_id"=?', (parent.id, RESERVED, row.id)
        held = tx.select(LeaseRow, *mine)
        tx.execute(f'DELETE FROM "lease" WHERE {mine[0]}', mine[1])
        count(tx, parent, -len(held))
        tx.execute('DELETE FROM "lease" WHERE "network_id"=?', (row.id,))
        tx.execute('DELETE FROM "address_range" WHERE "network_id"=?', (row.id,))
        tx.delete(row)
        tx.after_commit(lambda: self._leases.came_free([(lease.range_id, lease.position) for lease in held]))
        return self._told(tx, row, "removed", call)


def spelled(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A range of IPv6 addresses typed where IPv4 ones usually are."""
    text = str(spec.get("IP") or "")
    if ":" not in text:
        return spec
    span = parse_span(text)
    return {**{key: value for key, value in spec.items() if key != "IP"}, "IP6": span.first, "SIZE": span.size}


def _names_of_groups(queries: Queries, row: NetworkRow) -> dict[str, Any]:
    names = [queries.get(SecurityGroupRow, number).name for number in of_network(row)]
    return {SETTING: names} if names else {}


def _filters(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """What of a network decides what may pass its cards."""
    said = body.get("attributes") or {}
    return body.get("settings", {}).get(SETTING), *(said.get(f"FILTER_{what}_SPOOFING") for what in ("MAC", "IP"))


def _holder(vm_id: int, name: str | None, nic_id: int, parent_id: int) -> str:
    if vm_id == RESERVED:
        return f"reserved for network {nic_id}"
    if parent_id >= 0:
        return f"VM {vm_id} {name} alias {nic_id} of card {parent_id}"
    return f"VM {vm_id} {name} card {nic_id}" if vm_id > 0 else "on hold"
