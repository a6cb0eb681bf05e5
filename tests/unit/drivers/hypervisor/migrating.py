"""An engine that does nothing but migrate, to be killed: KEY SOURCE TARGET UUID PATH TUNNEL SOURCE-KEY TARGET-KEY."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nebula.clock import SystemClock
from nebula.drivers.base import HostHandle, MigrationRequest
from nebula.drivers.hypervisor.libvirt.driver import LibvirtHypervisor
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport

SLOW = 15
"""MiB/s."""


def handle(loop: TunnelLoop, number: int, address: str, key: Path, host_key: str) -> HostHandle:
    """The lab host h`number`."""
    name = f"h{number}"
    transport = SshTransport(
        name=name, address=address, user="root", port=22, key_path=key, known_host=host_key, loop=loop, clock=SystemClock()
    )
    return HostHandle(
        host_id=number,
        name=name,
        address=address,
        user="root",
        port=22,
        virt="qemu",
        root="/var/lib/nebula",
        transport=transport,
    )


def main(key: str, source: str, target: str, uuid: str, path: str, tunnel: Any, *host_keys: str) -> None:
    """Migrate, disk and all."""
    loop = TunnelLoop()
    loop.start()
    here = handle(loop, 1, source, Path(key), host_keys[0])
    there = handle(loop, 2, target, Path(key), host_keys[1])
    request = MigrationRequest(
        uuid=uuid, target=there, copy_targets=("vda",), disk_paths=(("vda", path),), tunnel=tunnel, bandwidth_mib=SLOW
    )
    LibvirtHypervisor(here).migrate(request, progress=None, cancel=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
