"""The simulated network; see nebula.drivers.base.Network for what each method promises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import msgspec

from nebula.drivers.base import Answer, HostHandle, NetworkCapabilities
from nebula.drivers.sim.transport import sim
from nebula.errors import ConflictError, NotFoundError
from nebula.model.host import Finding
from nebula.model.network import Lease, NetworkSpec, NicSpec, Stray

CAPABILITIES = NetworkCapabilities(vlan=False, nat=True, spans_hosts=True, dhcp=True, devices="sim")


class SimProbe:
    """A place on a simulated network, where everything passes."""

    def __init__(self, mtu: int) -> None:
        self.mtu = mtu
        self.gateway = True

    def ask(self, addresses: Sequence[str]) -> list[Answer]:
        """See Probe.ask."""
        return [Answer(address=address, found=True, whole=self.mtu) for address in addresses]

    def ask_below(self, addresses: Sequence[str]) -> list[Answer]:  # noqa: ARG002 - there is no tunnel
        """See Probe.ask_below."""
        return []


class SimNetwork:
    """Bridges and taps of simulated hosts."""

    @property
    def capabilities(self) -> NetworkCapabilities:
        """See Network.capabilities."""
        return CAPABILITIES

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """See Network.check."""
        there = sim(host).perform("network.check", lambda _now: _has_bridge(host, network.bridge), subject=network.name)
        if there or network.owned:
            return [Finding(check="bridge", level="ok", text=f"bridge {network.bridge} can be used on {host.name}")]
        text = f"bridge {network.bridge} is not on {host.name}"
        return [Finding(check="bridge", level="error", text=text, fix=f"ip link add {network.bridge} type bridge")]

    @contextlib.contextmanager
    def probe(self, host: HostHandle, network: NetworkSpec, address: str, peers: Sequence[str] = ()) -> Iterator[SimProbe]:  # noqa: ARG002 - all simulated hosts reach each other
        """See Network.probe."""
        yield sim(host).perform("network.probe", lambda _now: SimProbe(network.mtu or 1500), subject=network.name)

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.prepare."""
        sim(host).perform("network.prepare", lambda _now: _prepare(host, network), subject=network.name)

    def expect(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.expect: it is the network's bridge."""

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.plugged; NotFoundError if the tap is not there."""
        sim(host).perform("network.plugged", lambda _now: _need_tap(host, nic), subject=nic.tap)

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """See Network.unplugged."""
        sim(host).perform("network.unplugged", lambda _now: _unplug(host, nic), subject=nic.tap)

    def set_filters(self, host: HostHandle, nics: Sequence[NicSpec]) -> None:
        """See Network.set_filters."""
        subject = " ".join(nic.tap for nic in nics)
        sim(host).perform("network.set_filters", lambda _now: _set_filters(host, nics), subject=subject)

    def filtered(self, host: HostHandle) -> list[str]:
        """See Network.filtered."""
        select = "SELECT tap FROM filters WHERE host=? ORDER BY tap"
        return sim(host).perform(
            "network.filtered", lambda _now: [str(t) for (t,) in sim(host).world.db.all(select, sim(host).name)]
        )

    def serve(self, host: HostHandle, network: NetworkSpec, leases: Sequence[Lease]) -> None:
        """See Network.serve."""
        if network.dhcp and network.owned:
            sim(host).perform("network.serve", lambda _now: _serve(host, network, leases), subject=network.name)

    def serving(self, host: HostHandle) -> list[int]:
        """See Network.serving."""
        select = "SELECT number FROM served WHERE host=? ORDER BY number"
        return sim(host).perform(
            "network.serving", lambda _now: [int(n) for (n,) in sim(host).world.db.all(select, sim(host).name)]
        )

    def tunnel_to(self, host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
        """See Network.tunnel_to."""
        if network.vxlan_mode == "static":
            sim(host).perform("network.tunnel_to", lambda _now: _tunnel_to(host, network, peers), subject=network.name)

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """See Network.release."""
        if network.owned:
            sim(host).perform("network.release", lambda _now: _release(host, network.bridge), subject=network.name)

    def strays(self, host: HostHandle, kept: Sequence[NetworkSpec]) -> list[Stray]:
        """See Network.strays."""
        names = {network.bridge for network in kept}
        select = (
            "SELECT name FROM bridges WHERE host=? AND owned=1 AND name NOT IN"
            " (SELECT bridge FROM taps WHERE taps.host=bridges.host) ORDER BY name"
        )
        there = sim(host).perform("network.strays", lambda _now: sim(host).world.db.all(select, sim(host).name))
        found = [str(name) for (name,) in there if name not in names]
        return [Stray(network_id=-1, name=name, driver="sim", bridge=name) for name in found]

    def clear_stray(self, host: HostHandle, stray: NetworkSpec) -> None:
        """See Network.clear_stray."""
        sim(host).perform("network.clear_stray", lambda _now: _release(host, stray.bridge), subject=stray.name)

    def taps(self, host: HostHandle) -> list[str]:
        """See Network.taps."""
        select = "SELECT name FROM taps WHERE host=? AND name LIKE 'one-%' ORDER BY name"
        return sim(host).perform(
            "network.taps", lambda _now: [str(t) for (t,) in sim(host).world.db.all(select, sim(host).name)]
        )


def _has_bridge(host: HostHandle, bridge: str) -> bool:
    return sim(host).world.db.one("SELECT 1 FROM bridges WHERE host=? AND name=?", sim(host).name, bridge) is not None


def _prepare(host: HostHandle, network: NetworkSpec) -> None:
    if _has_bridge(host, network.bridge):
        return
    if not network.owned:
        raise ConflictError(
            f"network {network.name} cannot be used on host {host.name}",
            cause=f"bridge {network.bridge} is not there, and is not ours to make",
            hint=f"ip link add {network.bridge} type bridge",
        )
    sim(host).world.db.run("INSERT INTO bridges VALUES (?,?,1)", sim(host).name, network.bridge)


def _need_tap(host: HostHandle, nic: NicSpec) -> None:
    if sim(host).world.db.one("SELECT 1 FROM taps WHERE host=? AND name=?", sim(host).name, nic.tap) is None:
        raise NotFoundError(
            f"card {nic.nic_id} of VM {nic.vm_id} is not on host {host.name}",
            cause=f'Device "{nic.tap}" does not exist.',
            hint=f"nebula vm show {nic.vm_id}",
        )


def _unplug(host: HostHandle, nic: NicSpec) -> None:
    sim(host).world.db.run("DELETE FROM taps WHERE host=? AND name=?", sim(host).name, nic.tap)
    if nic.filter is not None:
        _set_filters(host, [msgspec.structs.replace(nic, filter=None)])


def _set_filters(host: HostHandle, nics: Sequence[NicSpec]) -> None:
    db, name = sim(host).world.db, sim(host).name
    for nic in nics:
        if nic.filter is None:
            db.run("DELETE FROM filters WHERE host=? AND tap=?", name, nic.tap)
        else:
            db.run("INSERT OR REPLACE INTO filters VALUES (?,?,?)", name, nic.tap, msgspec.json.encode(nic.filter))


def _serve(host: HostHandle, network: NetworkSpec, leases: Sequence[Lease]) -> None:
    if _has_bridge(host, network.bridge):
        values = (sim(host).name, network.bridge, network.bridge_id, msgspec.json.encode(leases))
        sim(host).world.db.run("INSERT OR REPLACE INTO served VALUES (?,?,?,?)", *values)


def _tunnel_to(host: HostHandle, network: NetworkSpec, peers: Sequence[str]) -> None:
    if _has_bridge(host, network.bridge):
        values = (sim(host).name, network.bridge, " ".join(peers))
        sim(host).world.db.run("INSERT OR REPLACE INTO tunnels VALUES (?,?,?)", *values)


def _release(host: HostHandle, bridge: str) -> None:
    db, name = sim(host).world.db, sim(host).name
    if db.one("SELECT 1 FROM taps WHERE host=? AND bridge=?", name, bridge) is None:
        db.run("DELETE FROM served WHERE host=? AND bridge=?", name, bridge)
        db.run("DELETE FROM tunnels WHERE host=? AND bridge=?", name, bridge)
        db.run("DELETE FROM bridges WHERE host=? AND name=? AND owned=1", name, bridge)
