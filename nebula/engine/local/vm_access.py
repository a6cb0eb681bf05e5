"""The ways to a running guest: its serial console and its graphical one, its agent, its addresses."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from nebula.engine.api.verbs import ByteStream
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.machine import machine_of
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.errors import ConflictError, WrongStateError
from nebula.model.guest import GuestAddress
from nebula.transport.base import Forward

if TYPE_CHECKING:
    from nebula.engine.api.values import Executed
    from nebula.engine.guest.agent import GuestAgent

_LOOK = 0.5
"""Seconds between looks whether the host's connection is up, and between those at a program in a guest."""
_FIRST_PAUSE = 0.02
_LONGEST_WAIT = 10.0


class GraphicsTunnel:
    """A forwarded port; see nebula.engine.api.verbs.Tunnel."""

    def __init__(self, kind: str, password: str, forward: Forward, alive: Callable[[], bool]) -> None:
        self._kind = kind
        self._password = password
        self._forward = forward
        self._alive = alive
        self._closed = threading.Event()

    @property
    def address(self) -> str:
        """Where it listens on this machine."""
        return self._forward.local

    @property
    def type(self) -> str:
        """Vnc or spice."""
        return self._kind

    @property
    def password(self) -> str:
        """See Tunnel.password."""
        return self._password

    def wait(self, timeout: float) -> bool:
        """See Tunnel.wait: it lives as long as the connection to the host."""
        until = time.monotonic() + timeout
        while self._alive() and not self._closed.is_set() and (left := until - time.monotonic()) > 0:
            self._closed.wait(min(left, _LOOK))
        return self._alive() and not self._closed.is_set()

    def close(self) -> None:
        """Close it."""
        self._closed.set()
        self._forward.close()


def console(services: Services, vm: VmRow) -> ByteStream:
    """Attach to the serial console."""
    return services.pool.hypervisor(_host(services, vm)).console(vm.uuid)


def graphics(services: Services, vm: VmRow) -> GraphicsTunnel:
    """Open a tunnel to where the host serves the graphical console."""
    host = _host(services, vm)
    kind, address, port = services.pool.hypervisor(host).graphics(vm.uuid)
    if port <= 0:
        raise ConflictError(f"VM {vm.name} has no graphical console", hint="create it with GRAPHICS = [ TYPE = VNC ]")
    transport = services.pool.handle(host).transport
    password = one(machine_of(vm).template, "GRAPHICS").word("PASSWD")
    return GraphicsTunnel(kind, password, transport.forward_tcp(address, port), transport.alive)


def definition(services: Services, vm: VmRow) -> str:
    """Its domain as its host has it, in libvirt's XML."""
    return services.pool.hypervisor(_host(services, vm)).definition(vm.uuid)


def screenshot(services: Services, vm: VmRow) -> bytes:
    """What its screen shows, as a PNG."""
    from nebula.engine.guest.png import png_of

    host = _host(services, vm)
    hypervisor = services.pool.hypervisor(host)
    _require(host, has=hypervisor.capabilities.screenshots, what="takes no pictures of screens")
    return png_of(hypervisor.screenshot(vm.uuid))


def agent(services: Services, vm: VmRow) -> GuestAgent:
    """The guest's agent, whether or not there is one."""
    from nebula.engine.guest.agent import GuestAgent

    host = _host(services, vm)
    hypervisor = services.pool.hypervisor(host)
    _require(host, has=hypervisor.capabilities.agent, what="carries nothing to guests' agents")
    return GuestAgent(hypervisor, vm.uuid)


def executed(agent: GuestAgent, pid: int, wait: float) -> Executed:
    """See Vms.executed."""
    until, pause, resting = time.monotonic() + min(max(wait, 0.0), _LONGEST_WAIT), _FIRST_PAUSE, threading.Event()
    while not (found := agent.executed(pid)).ended and (left := until - time.monotonic()) > 0:
        resting.wait(min(pause, left))
        pause = min(pause * 2, _LOOK)
    return found


def addresses(services: Services, vm: VmRow) -> list[GuestAddress]:
    """See Vms.addresses; those that only the guest itself can use are left out."""
    host = _host(services, vm)
    machine = machine_of(vm)
    nics, adopted = machine.nics, machine.adopted
    leased = [(nic.mac, (nic.ip, nic.ip6, nic.ip6_ula)) for nic in nics]
    leased += [(nic.mac, (nic.ip, nic.ip6, nic.ip6_ula)) for nic in machine.passthrough]
    leased += [(nic.mac, (alias.ip, alias.ip6, alias.ip6_ula)) for nic in nics for alias in nic.aliases]
    found = [GuestAddress(mac=mac, address=address, source="lease") for mac, its in leased for address in its if address]
    cards = {card.mac.lower() for card in (*nics, *machine.passthrough, *(adopted.cards if adopted else ()))}
    known = {item.address for item in found}
    for item in services.pool.hypervisor(host).addresses(vm.uuid):
        if item.mac.lower() in cards and item.address not in known and _is_reachable(item.address):
            found.append(item)
            known.add(item.address)
    return found


def _is_reachable(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _require(host: HostRow, *, has: bool, what: str) -> None:
    if not has:
        raise ConflictError(f"the hypervisor of host {host.name} {what}", hint=f"nebula host show {host.name}")


def _host(services: Services, vm: VmRow) -> HostRow:
    if place_of(vm) != RUNNING:
        raise WrongStateError(f"VM {vm.name} is {place_of(vm).name}, not RUNNING", hint=f"nebula vm describe {vm.id}")
    return services.store.read().get(HostRow, vm.host_id)
