"""Live hosts: a row becomes a handle with its transport and hypervisor, made on first use and kept until it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from nebula.drivers import registry
from nebula.drivers.base import Datastore, HostHandle, Hypervisor, Monitor, Network, Repository, TakesTurns
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.transport.base import Transport

ROOT = "/var/lib/nebula"
"""Where everything of ours is on a host; host attribute ROOT overrides it."""

TransportFactory = Callable[[HostRow], Transport]


class _Known(NamedTuple):
    """A handle, and the row that it was made of."""

    mark: tuple[Any, ...]
    generation: int
    handle: HostHandle


class HostPool:
    """Handles and drivers by host id. `transports` makes a transport for a row (local, ssh, sim)."""

    def __init__(self, transports: TransportFactory) -> None:
        self._transports = transports
        self._lock = threading.Lock()
        self._handles: dict[int, _Known] = {}
        self._hypervisors: dict[int, Hypervisor] = {}
        self._shared: dict[tuple[str, str], Any] = {}
        self._turns: dict[str, threading.Lock] = {}

    def handle(self, row: HostRow) -> HostHandle:
        """The host's handle; made anew when its address, login, keys or type changed. Who comes with a row that is older
        than the handle gets the handle as it is.
        """
        mark = _mark(row)
        with self._lock:
            known = self._handles.get(row.id)
            if known and row.generation < known.generation:
                return known.handle
            if known and known.mark == mark:
                if row.generation > known.generation:
                    self._handles[row.id] = known._replace(generation=row.generation)
                return known.handle
        self.forget(row.id)
        made = _Known(mark, row.generation, _make_handle(row, self._transports(row)))
        with self._lock:
            return self._handles.setdefault(row.id, made).handle

    def hypervisor(self, row: HostRow) -> Hypervisor:
        """The host's hypervisor driver."""
        handle = self.handle(row)
        with self._lock:
            found = self._hypervisors.get(row.id)
            if found is None:
                found = cast(Hypervisor, registry.load("hypervisor", row.driver)(handle))
                self._hypervisors[row.id] = found
            return found

    def datastore(self, row: DatastoreRow) -> Datastore:
        """The datastore's driver."""
        settings: Mapping[str, str] = {str(key): str(value) for key, value in row.body.get("settings", {}).items()}
        driver = cast(Datastore, registry.load("datastore", row.driver)(row.id, settings))
        turns = driver.capabilities.turns
        if turns:
            cast(TakesTurns, driver).take_turns(lambda: self._turn(turns))
        return driver

    def _turn(self, name: str) -> threading.Lock:
        """What hosts do to it comes one after the other, whichever job asks for it."""
        with self._lock:
            return self._turns.setdefault(name, threading.Lock())

    def repository(self, row: DatastoreRow, at: HostRow | None) -> Repository:
        """The driver of a datastore of backups; `at`: the host that it is on, if it is one's."""
        settings: Mapping[str, str] = {str(key): str(value) for key, value in row.body.get("settings", {}).items()}
        handle = self.handle(at) if at is not None else None
        return cast(Repository, registry.load("repository", row.driver)(row.id, settings, handle))

    def network(self, driver: str) -> Network:
        """The network driver of that name."""
        return cast(Network, self._one("network", driver))

    def monitor(self, row: HostRow) -> Monitor:
        """The monitor driver that fits the host."""
        return cast(Monitor, self._one("monitor", "sim" if row.driver == "sim" else "proc"))

    def forget(self, host_id: int) -> None:
        """Close whatever is open to the host."""
        with self._lock:
            known = self._handles.pop(host_id, None)
            hypervisor = self._hypervisors.pop(host_id, None)
        if hypervisor is not None:
            hypervisor.close()
        if known is not None:
            known.handle.transport.close()

    def close(self) -> None:
        """Close all."""
        for host_id in list(self._handles):
            self.forget(host_id)

    def _one(self, kind: str, name: str) -> Any:
        with self._lock:
            if (kind, name) not in self._shared:
                self._shared[kind, name] = registry.load(kind, name)()
            return self._shared[kind, name]


def _mark(row: HostRow) -> tuple[Any, ...]:
    keys = tuple(row.body.get("host_keys", ()))
    return row.name, row.transport, row.address, row.user, row.port, row.virt, keys, row.body.get("root", "")


def _make_handle(row: HostRow, transport: Transport) -> HostHandle:
    return HostHandle(
        host_id=row.id,
        name=row.name,
        address=row.address,
        user=row.user,
        port=row.port,
        virt="qemu" if row.virt == "qemu" else "kvm",
        root=row.body.get("root") or ROOT,
        transport=transport,
        migration_address=str(row.body.get("attributes", {}).get("MIGRATION_ADDRESS", "")),
    )


class TransportMaker:
    """The usual TransportFactory: local machine, ssh with the engine's key, or the simulator of the home."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._loop: Any = None
        self._world: Any = None

    def __call__(self, row: HostRow) -> Transport:
        """See TransportFactory."""
        if row.transport == "sim":
            return self._sim(row)
        if row.transport == "local":
            from nebula.transport.local import LocalTransport

            return LocalTransport(row.name)
        return self._ssh(row)

    def world(self) -> Any:
        """The simulated world of this home, made on first use."""
        with self._lock:
            if self._world is None:
                from nebula.drivers.sim.world import SimWorld

                self._world = SimWorld(self._home / "sim.db")
            return self._world

    def loop(self) -> Any:
        """The tunnels' event loop, started on first use."""
        with self._lock:
            if self._loop is None:
                from nebula.transport.loop import TunnelLoop

                self._loop = TunnelLoop()
                self._loop.start()
            return self._loop

    def close(self) -> None:
        """Stop the loop."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()

    def _sim(self, row: HostRow) -> Transport:
        from nebula.drivers.sim.transport import SimTransport

        name = row.address or row.name
        if name not in self.world().hosts.names():
            self.world().hosts.add(name)
        return cast(Transport, SimTransport(name, self.world()))

    def _ssh(self, row: HostRow) -> Transport:
        from nebula.clock import SystemClock
        from nebula.transport.keys import ensure_engine_key
        from nebula.transport.ssh import SshTransport

        return SshTransport(
            name=row.name,
            address=row.address,
            user=row.user,
            port=row.port,
            key_path=ensure_engine_key(self._home).private_path,
            known_host="\n".join(row.body.get("host_keys", ())),
            loop=self.loop(),
            clock=SystemClock(),
        )
