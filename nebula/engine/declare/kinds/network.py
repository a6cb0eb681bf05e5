"""Networks and reservations as documents say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nebula.engine.addresses import check_subnet, from_attributes, to_attributes
from nebula.engine.api.values import Accepted, Call
from nebula.engine.api.verbs import Engine
from nebula.engine.declare.kind import Kind, cluster_name
from nebula.engine.declare.values import Document, group, listed, merged, truth, upper
from nebula.engine.firewall.groups import SETTING, of_network
from nebula.engine.leases import HELD, range_of
from nebula.engine.local.network_spec import dhcp_word
from nebula.engine.local.network_uplinks import SETTING as DEVICES
from nebula.engine.local.network_uplinks import by_name
from nebula.engine.local.networks import spelled
from nebula.engine.store.rows import AddressRangeRow, LeaseRow, NetworkRow, SecurityGroupRow
from nebula.engine.store.transaction import Queries

_ADDRESSES = ("gateway", "gateway6")
_SETTINGS = frozenset(
    {
        "nat",
        "routed",
        "gateway",
        "prefix_length",
        "gateway6",
        "prefix_length6",
        "dns",
        "dhcp",
        "mtu",
        "physical_device",
        "vlan_id",
    }
    | {DEVICES, "move_addresses", "vlan_tagged_id", "outer_vlan_id", "vxlan_mode", "routed", "cvlans", "qinq_type"}
)
_RESERVATION = frozenset({"parent", "size", "first"})


class Networks(Kind):
    """What `network create` takes, or parent, size and first as `network reserve` does. Ranges, attributes, holds change."""

    name = "network"
    row = NetworkRow
    settings = _SETTINGS | _RESERVATION | {"driver", "bridge", "cluster", "ranges", "attributes", "holds", SETTING}
    fixed = settings - {"ranges", "attributes", "holds", SETTING, DEVICES}
    defaults: ClassVar[Mapping[str, Any]] = {
        "nat": False,
        "routed": False,
        "move_addresses": False,
        "prefix_length": "24",
        "prefix_length6": "64",
        "mtu": "0",
    }

    def document(self, queries: Queries, row: NetworkRow) -> Document:
        """See Kind."""
        attributes, holds = row.body.get("attributes", {}), self._holds(queries, row)
        groups = sorted(queries.get(SecurityGroupRow, number).name for number in of_network(row))
        ranges = [to_attributes(range_of(item)) for item in self._ranges(queries, row)]
        if row.parent_id > 0:
            first = ranges[0] if ranges else {}
            return {
                "parent": queries.get(NetworkRow, row.parent_id).name,
                "size": first.get("SIZE", ""),
                "first": first.get("IP") or first.get("IP6") or first.get("MAC", ""),
                "attributes": attributes,
                "holds": holds,
                SETTING: groups,
            }
        settings = {key: value for key, value in row.body.get("settings", {}).items() if key in _SETTINGS}
        return {
            "driver": row.driver,
            "bridge": "" if row.owned else row.bridge,
            "cluster": cluster_name(queries, row.cluster_id),
            "nat": False,
            "routed": False,
            "move_addresses": False,
            "mtu": "0",
            "dns": [],
            "dhcp": "",
            **settings,
            DEVICES: by_name(queries, row),
            "ranges": ranges,
            "attributes": attributes,
            "holds": holds,
            SETTING: groups,
        }

    def canonical(self, queries: Queries, document: Document, row: Any) -> Document:
        """See Kind. Ranges are told apart by their first address; what a document leaves out of one is as it is."""
        found = dict(document)
        for key in ("nat", "routed", "move_addresses"):
            if key in found:
                found[key] = truth(found[key], key)
        for key in _ADDRESSES:
            if found.get(key):
                found[key] = _address(found[key])
        if "dhcp" in found:
            found["dhcp"] = _dhcp(found["dhcp"], row)
        if "dns" in found:
            found["dns"] = [_address(item) for item in listed(found["dns"])]
        if "holds" in found:
            found["holds"] = sorted({_address(item) for item in listed(found["holds"])})
        if SETTING in found:
            found[SETTING] = sorted(str(item) for item in listed(found[SETTING]))
        if "ranges" in found:
            found["ranges"] = self._told_apart(queries, listed(found["ranges"]), row)
        if DEVICES in found:
            found[DEVICES] = {str(host): str(device) for host, device in group(found[DEVICES], DEVICES).items()}
        if "attributes" in found:
            found["attributes"] = upper(group(found["attributes"], "attributes"))
        return found

    def ordered(self, documents: list[Document]) -> list[Document]:
        """See Kind: a reservation after what it is taken from."""
        parents = {str(item["name"]): str(item.get("parent") or "") for item in documents}
        return sorted(documents, key=lambda item: _depth(parents, str(item["name"])))

    def create(self, engine: Engine, document: Document, calls: Iterator[Call]) -> Accepted:
        """See Kind."""
        name, parent = str(document["name"]), str(document.get("parent") or "")
        if parent:
            size = int(str(document.get("size") or 0))
            made = engine.networks.reserve(parent, name, size, next(calls), first=str(document.get("first") or ""))
        else:
            ways = {key: truth(document.get(key, ""), key) for key in ("nat", "routed")}
            spec = {**document, **ways, "dns": listed(document.get("dns"))}
            spec["ranges"] = [upper(group(item, "a range")) for item in listed(document.get("ranges"))]
            made = engine.networks.create(spec, next(calls))
        if parent and document.get(SETTING):
            made = engine.networks.update(name, {SETTING: listed(document[SETTING])}, next(calls))
        attributes = document.get("attributes")
        if attributes:
            made = engine.networks.update(name, {"attributes": attributes}, next(calls))
        for address in listed(document.get("holds")):
            made = engine.networks.hold(name, str(address), next(calls))
        return made

    def update(
        self, engine: Engine, row: Any, before: Document, after: Document, changed: frozenset[str], calls: Iterator[Call]
    ) -> Accepted:
        """See Kind."""
        accepted = Accepted(kind="network", id=row.id, name=row.name)
        if "ranges" in changed:
            old, new = before["ranges"], after["ranges"]
            for label in [label for label, item in old.items() if new.get(label) != item]:
                accepted = engine.networks.remove_range(str(row.id), _number(engine, row, old[label]), next(calls))
            for label in [label for label, item in new.items() if old.get(label) != item]:
                accepted = engine.networks.add_range(str(row.id), new[label], next(calls))
        if "attributes" in changed:
            attributes = merged(before["attributes"], after["attributes"])
            accepted = engine.networks.update(str(row.id), {"attributes": attributes}, next(calls))
        if DEVICES in changed:
            devices = {**dict.fromkeys(before[DEVICES], ""), **after[DEVICES]}
            accepted = engine.networks.update(str(row.id), {DEVICES: devices}, next(calls))
        if SETTING in changed:
            accepted = engine.networks.update(str(row.id), {SETTING: after[SETTING]}, next(calls))
        if "holds" in changed:
            old, new = before["holds"], after["holds"]
            for address in [address for address in old if address not in new]:
                accepted = engine.networks.release(str(row.id), address, next(calls))
            for address in [address for address in new if address not in old]:
                accepted = engine.networks.hold(str(row.id), address, next(calls))
        return accepted

    def remove(self, engine: Engine, row: Any, call: Call) -> Accepted:
        """See Kind."""
        return engine.networks.remove(str(row.id), call)

    def _ranges(self, queries: Queries, row: NetworkRow) -> list[AddressRangeRow]:
        return queries.select(AddressRangeRow, '"network_id"=? ORDER BY "number"', (row.id,))

    def _holds(self, queries: Queries, row: NetworkRow) -> list[str]:
        found = queries.select(LeaseRow, '"network_id"=? AND "vm_id"=? ORDER BY "id"', (row.id, HELD))
        return [_address(lease.ip or lease.ip6 or lease.mac) for lease in found]

    def _told_apart(self, queries: Queries, given: Any, row: NetworkRow | None) -> dict[str, dict[str, str]]:
        there = [to_attributes(range_of(item)) for item in self._ranges(queries, row)] if row is not None else []
        settings = row.body.get("settings", {}) if row is not None else {}
        found: dict[str, dict[str, str]] = {}
        for item in given:
            spec = upper(group(item, "a range"))
            made = from_attributes(spelled(spec), 0)
            if row is not None:
                made = check_subnet(made, settings.get("gateway", ""), int(settings.get("prefix_length", 24)))
            whole = to_attributes(made)
            if not spec.get("MAC"):
                whole["MAC"] = next((old["MAC"] for old in there if _alike(old, whole)), whole["MAC"])
            found[f"{whole.get('IP') or whole.get('IP6') or whole['MAC']}+{whole['SIZE']}"] = whole
        return found


def _alike(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return {**one, "MAC": ""} == {**other, "MAC": ""}


def _dhcp(value: Any, row: NetworkRow | None) -> str:
    """Where somebody wants it, the address that was chosen."""
    word = dhcp_word(value)
    chosen = row.body.get("settings", {}).get("dhcp", "") if row is not None and word == "yes" else ""
    return str(chosen) or _address(word)


def _number(engine: Engine, row: NetworkRow, wanted: Mapping[str, str]) -> int:
    ranges = engine.networks.show(str(row.id)).body["ranges"]
    return int(next(item["number"] for item in ranges if all(item.get(key) == value for key, value in wanted.items())))


def _address(value: Any) -> str:
    """In the one way of writing it; what is no address is left for the verb to refuse."""
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        return str(value)


def _depth(parents: Mapping[str, str], name: str) -> int:
    depth, seen = 0, {name}
    while (name := parents.get(name, "")) and name not in seen:
        seen.add(name)
        depth += 1
    return depth
