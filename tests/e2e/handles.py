"""The lab's hosts as drivers know them, for tests that call a driver itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nebula.clock import SystemClock
from nebula.drivers.base import HostHandle
from nebula.errors import NebulaError
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport
from tests.lab.gates import Gate
from tests.lab.handle import LabHandle

_KILL = 'for file in /var/lib/nebula/work/*/pid; do kill -KILL "-$(cat "$file")"; done'


@contextmanager
def handles(lab: LabHandle, *names: str) -> Iterator[tuple[HostHandle, ...]]:
    """A handle for each of these hosts, over ssh."""
    loop = TunnelLoop()
    loop.start()
    found = tuple(_handle(lab, number, name, loop) for number, name in enumerate(names, 1))
    yield found
    for host in found:
        host.transport.close()
    loop.stop()


def _handle(lab: LabHandle, number: int, name: str, loop: TunnelLoop) -> HostHandle:
    told = lab.host(name)
    transport = SshTransport(
        name=name,
        address=told["address"],
        user="root",
        port=22,
        key_path=Path(lab.status()["key"]),
        known_host=told["host_key"],
        loop=loop,
        clock=SystemClock(),
    )
    return HostHandle(
        host_id=number, name=name, address=told["address"], user="root", port=22, virt="qemu",
        root="/var/lib/nebula", transport=transport,
    )  # fmt: skip


def killed(host: HostHandle, gate: Gate, do: Callable[[], None]) -> Exception:
    """What comes of it when the host's long command is killed at that gate."""
    came: list[Exception] = []

    def attempt() -> None:
        try:
            do()
        except NebulaError as error:
            came.append(error)

    with gate.shut():
        thread = threading.Thread(target=attempt)
        thread.start()
        gate.await_reached()
        host.transport.run(["sh", "-c", _KILL], root=True)
        thread.join(120)
    [error] = came
    return error
