"""Hosts that have an Open vSwitch of their own: real daemons, whose bridges are in user space where the kernel knows none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nebula.model.network import NetworkSpec, NicSpec
from nebula.transport.base import Completed
from tests.contract.network import FIRST, NetworkSubject
from tests.unit.drivers.network import guests
from tests.unit.drivers.network.conftest import subject
from tests.unit.drivers.network.guests import Guest
from tests.unit.drivers.network.namespaces import Namespace, NamespaceTransport, make

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class SwitchTransport(NamespaceTransport):
    """Commands in a namespace, where ovs-vsctl finds that namespace's daemons."""

    def __init__(self, namespace: str, directory: Path) -> None:
        super().__init__(namespace)
        self.directory = directory

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        return super().run(["env", f"OVS_RUNDIR={self.directory}", *argv], **more)


def switch(directory: Path) -> Iterator[Namespace]:
    """A host with Open vSwitch, gone with the iterator."""
    directory.mkdir()
    for bare in make():
        host = Namespace(SwitchTransport(bare.name, directory))
        log = f"--log-file={directory}/log"
        host.sh(f"ovsdb-tool create {directory}/conf.db {SCHEMA}")
        try:
            socket = f"{directory}/db.sock"
            host.sh(f"ovsdb-server {directory}/conf.db --remote=punix:{socket} --pidfile={directory}/db.pid --detach {log}")
            # Without this, what comes from a kernel that leaves checksums to the hardware arrives spoilt from user space.
            host.sh("ovs-vsctl --no-wait init -- set Open_vSwitch . other_config:userspace-tso-enable=true")
            host.sh(f"ovs-vswitchd unix:{socket} --pidfile={directory}/ovs-vswitchd.pid --detach {log}")
            yield host
        finally:
            for pidfile in directory.glob("*.pid"):
                _end(pidfile)


def restart(host: Namespace) -> None:
    """The daemon that follows flows ends, as by a crash, and is started again."""
    directory = host.transport.directory  # type: ignore[attr-defined]
    _end(directory / "ovs-vswitchd.pid")
    host.sh(f"ovs-vswitchd unix:{directory}/db.sock --pidfile={directory}/ovs-vswitchd.pid --detach --log-file={directory}/log")


def clear(host: Namespace) -> None:
    """The host as it was."""
    for bridge in host.sh("ovs-vsctl list-br").split():
        host.sh(f"ovs-vsctl del-br {bridge}")
    for link in json.loads(host.sh("ip -j link show")):
        if link and not link["ifname"].startswith(("lo", "ovs-")):
            host.transport.run(["ip", "link", "delete", link["ifname"]], check=False)


def switch_subject(host: Namespace, root: Path, driver: Any, owned: NetworkSpec) -> NetworkSubject:
    """The driver on such a host."""
    space = "netdev" if "netdev" in _datapath(host) else "system"

    def add_bridge(name: str) -> None:
        host.sh(f"ovs-vsctl add-br {name} -- set Bridge {name} datapath_type={space}")

    def add_tap(nic: NicSpec) -> None:
        host.sh(f"ip tuntap add dev {nic.tap} mode tap")
        host.sh(f"ip link set {nic.tap} up")
        host.sh(f"ovs-vsctl add-port {nic.bridge} {nic.tap}")

    def bridges() -> list[str]:
        return [name for name in host.sh("ovs-vsctl list-br").split() if not name.startswith("one-")]

    return msgspec.structs.replace(
        subject(host, root), driver=driver, add_bridge=add_bridge, add_tap=add_tap, bridges=bridges, owned=owned
    )


def guest(host: Namespace, network: NetworkSpec, number: int) -> Iterator[Guest]:
    """One whose card is not plugged yet, of a VM that no process of the machine has a tap of."""
    yield from guests.guest(host, network, number, first=FIRST, plugged=False)


def _end(pidfile: Path) -> None:
    number = pidfile.read_text().strip()
    os.kill(int(number), signal.SIGKILL)
    subprocess.run(["tail", f"--pid={number}", "-s", "0.05", "-f", "/dev/null"], check=True, timeout=20)


def _datapath(host: Namespace) -> str:
    told = host.transport.run(["ovs-dpctl", "dump-dps"], check=False)
    return "netdev" if b"does not exist" in told.stderr else "system"
