"""The serial console of a simulated guest: a login prompt that echoes."""

from __future__ import annotations

import threading

from nebula.drivers.sim.events import INTERVAL
from nebula.drivers.sim.records import Domain
from nebula.drivers.sim.world import SimWorld


class SimConsole:
    """See nebula.drivers.base.ConsoleStream. A second one of the same domain ends the first."""

    def __init__(self, world: SimWorld, domain: Domain) -> None:
        self._world, self._host, self._uuid = world, domain.host, domain.uuid
        self._pending = f"\r\n{domain.name} login: ".encode()
        self._arrived = threading.Condition()
        self._open = True
        previous = world.consoles.get(domain.uuid)
        if previous is not None:
            previous.close()
        world.consoles[domain.uuid] = self

    def read(self, timeout: float) -> bytes:
        """See ConsoleStream.read."""
        until = self._world.gate.monotonic() + timeout
        with self._arrived:
            while not self._pending:
                if not self._open or not self._runs():
                    raise EOFError(f"the console of {self._uuid} ended")
                left = until - self._world.gate.monotonic()
                if left <= 0:
                    return b""
                self._arrived.wait(min(left, INTERVAL))
            data, self._pending = self._pending, b""
        return data

    def write(self, data: bytes) -> None:
        """See ConsoleStream.write."""
        with self._arrived:
            if not self._open or not self._runs():
                raise EOFError(f"the console of {self._uuid} ended")
            self._pending += data.replace(b"\r", b"\r\n")
            self._arrived.notify_all()

    def close(self) -> None:
        """See ConsoleStream.close."""
        with self._arrived:
            self._open = False
            self._arrived.notify_all()

    def _runs(self) -> bool:
        found = self._world.domains.get(self._host, self._uuid)
        return found is not None and bool(found.active)
