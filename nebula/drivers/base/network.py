"""The contract of drivers of networks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import msgspec

from nebula.drivers.base.host import HostHandle
from nebula.model.host import Finding
from nebula.model.network import Lease, NetworkSpec, NicSpec, Stray


class NetworkCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a network driver can do."""

    vlan: bool
    nat: bool
    spans_hosts: bool
    """Guests on two hosts reach each other without help from outside."""
    dhcp: bool = False
    """It can give guests their addresses and names, on bridges that are ours."""
    existing: bool = True
    """It can use bridges of the host's own; otherwise all are ours."""
    moves_addresses: bool = False
    """A network may move the host's own addresses onto its bridge: see MovesAddresses."""
    devices: Literal["kernel", "openvswitch", "sim"] = "kernel"
    """Whose its bridges and cards are. Asked what is on a host, drivers of the same say the same: one of them is enough."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What another place said to a probe."""

    address: str
    found: bool
    """Something told its MAC address (ARP)."""
    whole: int = 0
    """Bytes of the largest IPv4 packet that was answered without being cut up; 0: none was."""


class Probe(Protocol):
    """A place in a network as a guest's on a host would be."""

    @property
    def mtu(self) -> int:
        """Bytes of the largest packets that guests send there."""
        ...

    @property
    def gateway(self) -> bool:
        """Whether something says that it is the network's gateway; False too where it has none."""
        ...

    def ask(self, addresses: Sequence[str]) -> list[Answer]:
        """Send packets to the other probes at these addresses, as large as pass."""
        ...

    def ask_below(self, addresses: Sequence[str]) -> list[Answer]:
        """Send packets from the host itself to the ends of a network's tunnel on other hosts. Nothing where there is none."""
        ...


class MovesAddresses(Protocol):
    """A driver that `moves_addresses`: `prepare` moves them for a network that says so, `release` leaves them on the bridge."""

    def move_back(self, host: HostHandle, network: NetworkSpec) -> None:
        """Before the network goes: the host's own addresses are on their device again. Nothing where they are, or while cards
        are on the bridge. ConflictError if the host could not be reached there: then they are on the bridge, as before.
        """
        ...


class Network(Protocol):
    """Virtual networks on hosts."""

    @property
    def capabilities(self) -> NetworkCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """Whether the host can carry the network; changes nothing."""
        ...

    def probe(
        self, host: HostHandle, network: NetworkSpec, address: str, peers: Sequence[str] = ()
    ) -> AbstractContextManager[Probe]:
        """A probe with that IPv4 address (of a /16) in the network, on a host that can carry it, whether the bridge is there or
        not; `peers`: see `tunnel_to`. ConflictError where none can be made. Nothing of it stays, whoever is killed meanwhile.
        """
        ...

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """Before a VM starts: the bridge is there and up (made if owned; ConflictError if not owned and missing)."""
        ...

    def expect(self, host: HostHandle, nic: NicSpec) -> None:
        """Before a card is plugged, on a network that is prepared: `nic.bridge` is there."""
        ...

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM started: the tap exists, on its bridge."""
        ...

    def set_filters(self, host: HostHandle, nics: Sequence[NicSpec]) -> None:
        """From now on exactly what `filter` says passes these cards, whose taps need not exist yet; None takes filters away.
        In one step for all of them: no packet meets half of the rules. While this runs nobody else may set or remove
        filters on the host.
        """
        ...

    def filtered(self, host: HostHandle) -> list[str]:
        """Taps for which there are filters on the host, sorted; the taps may be gone."""
        ...

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM left: the tap, if it is still there, is gone, and so are filters of a card that has some."""
        ...

    def serve(self, host: HostHandle, network: NetworkSpec, leases: Sequence[Lease]) -> None:
        """From now on the guests on this host get exactly these addresses and names at `network.dhcp`. Nothing where the host
        does not carry the network. Nobody else may prepare, serve or release it on the host meanwhile; `release` ends it.
        """
        ...

    def serving(self, host: HostHandle) -> list[int]:
        """Networks (their `bridge_id`) whose guests the host answers now, sorted."""
        ...

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """From now on what is for everybody goes to exactly these IPv4 addresses of other hosts. Nothing where the network is
        not tunnelled to addresses that we know (`vxlan_mode` static), or the host does not carry it.
        """
        ...

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """Take an owned bridge away if no card is left on it; otherwise nothing."""
        ...

    def strays(self, host: HostHandle, kept: Sequence[NetworkSpec]) -> list[Stray]:
        """What we made on the host for networks other than these, and carries no card: of each network that is gone the
        `network_id` or the `bridge`, and as its `name` the devices, for people.
        """
        ...

    def clear_stray(self, host: HostHandle, stray: NetworkSpec) -> None:
        """Take it away, with all that belongs to it; what came to carry a card meanwhile stays, and what is `held`. Not there:
        nothing.
        """
        ...

    def taps(self, host: HostHandle) -> list[str]:
        """Names of our taps on the host, for the search for leaks."""
        ...
