"""Networks that are a segment of their own beyond the host: a bridge of ours whose port is a device that tags or tunnels what
it sends through a device of the host (the uplink). The uplink keeps its addresses.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network import dhcp, owned, probing
from nebula.drivers.network.bridge import BridgeNetwork
from nebula.drivers.network.findings import asked, tools
from nebula.drivers.network.ip import Link, batch, batch_locked, links
from nebula.drivers.network.names import check_device, is_probe, tag
from nebula.errors import CommandError, ConflictError
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec


class SegmentNetwork(BridgeNetwork, ABC):
    """What 802.1Q and VXLAN have in common. Cards and their filters are those of any Linux bridge."""

    overhead: int
    """Bytes that it puts around a packet."""

    @abstractmethod
    def device(self, network: NetworkSpec) -> str:
        """The device's name."""

    @abstractmethod
    def options(self, network: NetworkSpec, source: str = "") -> str:
        """What `ip link add` is told of it behind its name. `source`: see there."""

    def source(self, host: HostHandle, network: NetworkSpec) -> str:  # noqa: ARG002 - tunnels have some
        """The host's own address that a tunnel begins at; empty where the kernel chooses, or none is needed."""
        return ""

    def able(self, host: HostHandle) -> None:
        """ConflictError if the host's kernel does not know such devices."""

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """See Network.check."""
        self._check_names(network)
        missing = tools(host, network)
        if missing:
            return missing
        present = links(host)
        questions = (
            ("kernel", lambda: self.able(host)),
            ("uplink", lambda: self.check_uplink(host, network, present)),
            ("bridge", lambda: owned.check_name_free(host, network, present)),
            ("device", lambda: self.check_device(host, network, present)),
            *((("dhcp", lambda: dhcp.check(host, network)),) if network.dhcp else ()),
        )
        found = [finding for check, question in questions for finding in asked(check, question)]
        text = f"host {host.name} can carry network {network.name} on {network.bridge}, through {network.physical_device}"
        return found or [Finding(check="network", level="ok", text=text)]

    @contextlib.contextmanager
    def probe_apart(
        self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link], address: str, peers: Sequence[str]
    ) -> Iterator[probing.Probe]:
        """See BridgeNetwork.probe_apart: the segment's device is within the probe."""
        self._check_names(network)
        self.check_uplink(host, network, present)
        self.check_device(host, network, present)
        mtu = network.mtu or present[network.physical_device].mtu - self.overhead
        lines = probing.device(mtu, self.options(network, self.source(host, network)))
        with probing.started(host, network, address, mtu, lines, alone=True, below=self.tunnels) as made:
            self.joined(made, network, peers)
            yield made

    def joined(self, made: probing.Probe, network: NetworkSpec, peers: Sequence[str]) -> None:
        """A probe of its own is told what the segment needs to be told; `peers`: see `tunnel_to`."""

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.prepare. Everything that could refuse is asked before anything is made."""
        self._check_names(network)
        present = links(host)
        self.able(host)
        self.check_uplink(host, network, present)
        self.check_device(host, network, present)
        if network.dhcp:
            dhcp.check(host, network)
        bridge = owned.ensure(host, network, present)
        device = self.device(network)
        if device not in present:
            self.make(host, network)
        size = f"link set dev {network.bridge} mtu {network.mtu}" if network.mtu else ""
        lines = [
            *([f"link set dev {device} mtu {network.mtu}"] if network.mtu else []),
            f"link set dev {device} master {network.bridge}",
            f"link set dev {device} up",
            *([size] if size else []),
            f"link set dev {network.bridge} address {bridge.address}",
            f"link set dev {network.bridge} up",
        ]
        batch(host, lines)

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.release."""
        self._check_names(network)
        present, device = links(host), self.device(network)
        bridge = present.get(network.bridge)
        if bridge is not None and not owned.is_ours(network, bridge):
            return
        ports = (link.ifname for link in present.values() if link.master == network.bridge)
        if any(name != device and not is_probe(name) for name in ports):
            return
        if network.dhcp:
            dhcp.stop(host, network)
        if device in present and is_ours(network, present[device]):
            batch(host, [f"link delete dev {device}"])
        if bridge is not None:
            owned.remove(host, network)

    def _uplink(self, network: NetworkSpec) -> str:
        return self.device(network)

    def _check_names(self, network: NetworkSpec) -> None:
        for name in (network.bridge, network.physical_device, self.device(network)):
            check_device(name)

    def check_uplink(self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
        """ConflictError if the uplink is missing, down or too narrow."""
        uplink = present.get(network.physical_device)
        if uplink is None:
            raise ConflictError(
                f"host {host.name} has no network device {network.physical_device}, which network {network.name} needs",
                hint=f"ssh {host.name} ip -br link",
            )
        if not uplink.up:
            device = network.physical_device
            raise ConflictError(
                f"{device} of host {host.name} is down, which network {network.name} needs",
                hint=f"on {host.name}: ip link set dev {device} up",
            )
        needed = network.mtu + self.overhead
        if network.mtu and uplink.mtu < needed:
            raise ConflictError(
                f"{network.physical_device} of host {host.name} is too narrow for network {network.name}",
                cause=f"its MTU is {uplink.mtu}; packets of {network.mtu} bytes need {needed}",
                hint=f"on {host.name}, and on the switches between: ip link set dev {network.physical_device} mtu {needed}; "
                f"or a network of its own with --mtu {uplink.mtu - self.overhead}",
            )

    def check_device(self, host: HostHandle, network: NetworkSpec, present: Mapping[str, Link]) -> None:
        """ConflictError if somebody else has a device of that name."""
        device = self.device(network)
        link = present.get(device)
        if link is not None and not is_ours(network, link):
            raise ConflictError(
                f"host {host.name} has a device {device} that is not network {network.name}'s",
                cause=f"its alias is {link.ifalias!r}, ours would be {tag(network)!r}",
                hint=f"another --vlan-id, or on {host.name}: ip link delete {device}",
            )

    def make(self, host: HostHandle, network: NetworkSpec) -> None:
        """Under another name until it has its tag, so that one without it never has the real name, whenever we die."""
        complaint = batch_locked(host, self.lines(network, self.source(host, network)))
        device = self.device(network)
        link = links(host).get(device)
        if link is None or not is_ours(network, link):
            raise CommandError(host.name, ["ip", "link", "add", device], 1, complaint, hint="ip -V")

    def lines(self, network: NetworkSpec, source: str = "") -> list[str]:
        """What `ip -batch` makes the device with."""
        unfinished, device = check_device(f"nbseg{network.bridge_id}"), self.device(network)
        return [
            f"link delete dev {unfinished}",
            f"link add name {unfinished} {self.options(network, source)}",
            f"link set dev {unfinished} alias {tag(network)}",
            f"link set dev {unfinished} addrgenmode none",
            f"link set dev {unfinished} name {device}",
            f"link delete dev {unfinished}",
        ]


def is_ours(network: NetworkSpec, link: Link) -> bool:
    """Whether this is the device that we made for the network."""
    return link.ifalias == tag(network)
