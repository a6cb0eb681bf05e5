"""From a network's row to what drivers and the context CD need of it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from nebula.engine.store.rows import NetworkRow
from nebula.errors import UsageError
from nebula.model.firewall import CardFilter
from nebula.model.network import NetworkSpec, NicSpec

if TYPE_CHECKING:
    from nebula.engine.context import NicContext
    from nebula.engine.machines.machine import Alias, Nic, PassthroughNic
    from nebula.engine.store.transaction import Queries

LAST_VLAN = 4094
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def network_spec(row: NetworkRow) -> NetworkSpec:
    """The network as network drivers know it."""
    settings: dict[str, Any] = row.body.get("settings", {})
    return NetworkSpec(
        network_id=row.id,
        name=row.name,
        driver=row.driver,
        bridge=row.bridge,
        owned=bool(row.owned),
        physical_device=settings.get("physical_device", ""),
        physical_devices=tuple((int(host), device) for host, device in settings.get("physical_device_on", {}).items()),
        move_addresses=bool(settings.get("move_addresses", False)),
        vlan_id=int(settings.get("vlan_id", 0)),
        trunks=vlans(settings.get("vlan_tagged_id", "")),
        customer_vlans=vlans(settings.get("cvlans", "")),
        qinq_type=settings.get("qinq_type", ""),
        outer_id=int(settings.get("outer_vlan_id", 0)),
        vxlan_mode=settings.get("vxlan_mode", ""),
        mtu=int(settings.get("mtu", 0)),
        gateway=settings.get("gateway", ""),
        prefix_length=int(settings.get("prefix_length", 24)),
        gateway6=settings.get("gateway6", ""),
        prefix_length6=int(settings.get("prefix_length6", 64)),
        root_id=root_of(row) if row.parent_id > 0 else 0,
        nat=bool(settings.get("nat", False)),
        routed=bool(settings.get("routed", False)),
        dhcp=settings.get("dhcp", ""),
        dns=tuple(settings.get("dns", ())),
    )


def vlans(text: str) -> tuple[int, ...]:
    """Numbers of VLANs as OpenNebula writes them: "10,20-22"; UsageError for what is none."""
    found: set[int] = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = (part.strip() for part in word.partition("-"))
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdecimal() and len(end) < 5 for end in ends):
            raise UsageError(f"{word[:40]!r} is no VLAN", hint="for example 10,20-22")
        low, high = map(int, ends)
        if not 1 <= low <= high <= LAST_VLAN:
            raise UsageError(f"VLANs are 1 to {LAST_VLAN}, not {word[:40]}", hint="for example 10,20-22")
        found |= set(range(low, high + 1))
    return tuple(sorted(found))


def root_of(row: NetworkRow) -> int:
    """The network whose bridge it uses: itself, or, of a reservation, that at the beginning."""
    return int(row.body.get("root", row.parent_id)) if row.parent_id > 0 else row.id


def all_networks(queries: Queries) -> list[NetworkSpec]:
    """All that there are."""
    return [network_spec(row) for row in queries.select(NetworkRow)]


def on_bridge(network: NetworkSpec, host_id: int) -> str:
    """The name of the lock of whoever makes, serves or takes away the network's bridge on a host; networks may share one."""
    return f"bridge:{network.bridge}:{host_id}"


def nic_spec(vm_id: int, nic: Nic, network: NetworkSpec, wanted: CardFilter | None = None) -> NicSpec:
    """A card as network drivers know it."""
    return NicSpec(
        vm_id=vm_id, nic_id=nic.nic_id, tap=nic.tap, mac=nic.mac, network=network, ip=nic.ip, ip6=nic.ip6, filter=wanted
    )


def alias_context(nic: Nic, alias: Alias, row: NetworkRow) -> NicContext:
    """An alias of the card, likewise."""
    return msgspec.structs.replace(nic_context(alias, row, alias.asked), nic_id=nic.nic_id, alias_id=alias.alias_id)


def nic_context(nic: Nic | PassthroughNic | Alias, row: NetworkRow, asked: Mapping[str, Any] = _NOTHING) -> NicContext:
    """A card as the context CD describes it: what the template says of it (`asked`), else its network. UsageError for what
    no guest could make sense of.
    """
    from nebula.engine.context import NicContext

    settings: dict[str, Any] = row.body.get("settings", {})
    resolvers = [settings["dhcp"]] if settings.get("dhcp") else settings.get("dns", ())
    said = _Said(nic.nic_id, asked, row.body.get("attributes") or {})
    return NicContext(
        nic_id=nic.nic_id,
        mac=nic.mac,
        ip=nic.ip,
        prefix_length=said.mask() or int(settings.get("prefix_length", 24)),
        gateway=said.text("GATEWAY") or settings.get("gateway", ""),
        dns=said.words("DNS") or tuple(resolvers),
        search_domain=" ".join(said.words("SEARCH_DOMAIN")),
        mtu=said.number("GUEST_MTU") or said.number("MTU") or int(settings.get("mtu", 0)),
        metric=said.number("METRIC"),
        method=said.word("METHOD"),
        routes=said.text("ROUTES"),
        ip6=nic.ip6,
        ip6_ula=nic.ip6_ula,
        ip6_prefix_length=said.number("IP6_PREFIX_LENGTH") or nic.prefix_length6 or int(settings.get("prefix_length6", 64)),
        ip6_gateway=said.text("IP6_GATEWAY") or said.text("GATEWAY6") or settings.get("gateway6", ""),
        ip6_metric=said.number("IP6_METRIC"),
        ip6_method=said.word("IP6_METHOD"),
        vlan_id=said.number("VLAN_ID"),
        external=said.word("EXTERNAL") in {"yes", "true"},
    )


class _Said:
    """What the card says, else its network."""

    def __init__(self, nic_id: int, card: Mapping[str, Any], network: Mapping[str, Any]) -> None:
        self._nic_id = nic_id
        self._said = {
            name: text for source in (network, card) for name, value in source.items() if (text := str(value).strip())
        }

    def text(self, name: str) -> str:
        """A value, "" where nobody says anything."""
        return self._said.get(name, "")

    def words(self, name: str) -> tuple[str, ...]:
        """Several values, between which there are spaces or commas."""
        return tuple(self.text(name).replace(",", " ").split())

    def word(self, name: str) -> str:
        """In lower case."""
        return self.text(name).lower()

    def number(self, name: str) -> int:
        """0 where nobody says anything."""
        value = self.text(name)
        if not value:
            return 0
        if not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise UsageError(f"{name} of card {self._nic_id} must be a whole number", cause=f"got {value[:40]!r}")
        return int(value)

    def mask(self) -> int:
        """NETWORK_MASK as a prefix's length."""
        value = self.text("NETWORK_MASK")
        try:
            return ip_network(f"0.0.0.0/{value}").prefixlen if value else 0
        except ValueError as error:
            raise UsageError(f"NETWORK_MASK of card {self._nic_id} is none", cause=str(error), hint="255.255.255.0") from error
