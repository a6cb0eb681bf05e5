"""The ways to a running guest: its serial console and its graphical one."""

from __future__ import annotations

from nebula.engine.api.verbs import ByteStream
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.services import Services
from nebula.engine.store.rows import HostRow, VmRow
from nebula.errors import ConflictError, WrongStateError
from nebula.transport.base import Forward


class GraphicsTunnel:
    """A forwarded port; see nebula.engine.api.verbs.Tunnel."""

    def __init__(self, kind: str, forward: Forward) -> None:
        self._kind = kind
        self._forward = forward

    @property
    def address(self) -> str:
        """Where it listens on this machine."""
        return self._forward.local

    @property
    def type(self) -> str:
        """Vnc or spice."""
        return self._kind

    def close(self) -> None:
        """Close it."""
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
    return GraphicsTunnel(kind, services.pool.handle(host).transport.forward_tcp(address, port))


def _host(services: Services, vm: VmRow) -> HostRow:
    if place_of(vm) != RUNNING:
        raise WrongStateError(f"VM {vm.name} is {place_of(vm).name}, not RUNNING", hint=f"nebula vm resume {vm.id}")
    return services.store.read().get(HostRow, vm.host_id)
