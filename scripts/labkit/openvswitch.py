"""Open vSwitch on a lab's hosts: daemons of each one's own, and a cable `eth2` from each to one switch, for whatever VLANs.

Where the machine's kernel has no Open vSwitch, bridges are in user space. What the daemons know goes with the host's power.
"""

from __future__ import annotations

from . import network, services
from .enter import run_inside
from .errors import LabError
from .spec import Host, Lab

PACKAGES = ("openvswitch-switch",)
DEVICE = "eth2"
_DIRECTORY = "/run/openvswitch"
_DATABASE = f"{_DIRECTORY}/conf.db"
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_DAEMONS = ("ovs-vswitchd", "ovsdb-server")


def up(lab: Lab) -> None:
    """Start it on every host that has power, and plug the cables; there already: nothing."""
    if not network.exists(lab.switch()):
        network.make_switch(lab.switch())
    for host in lab.hosts:
        if host.machine:
            run_inside(lab, host, ["systemctl", "start", "openvswitch-switch"], seconds=120)
            continue
        _cable(lab, host)
        if not services.running(lab, host, "ovsdb-server"):
            _start(lab, host)


def down(lab: Lab) -> None:
    """End it, with its bridges in user space, and pull the cables out; where there is none: nothing."""
    for host in lab.hosts:
        for name in _DAEMONS:
            services.kill(lab, host, name)
        if not host.machine:
            network.pull_out(lab.switch_link(host))
    if not lab.machines():
        remove(lab)


def remove(lab: Lab) -> None:
    """Take the switch between the hosts away."""
    network.pull_out(lab.switch())


def _start(lab: Lab, host: Host) -> None:
    # Without checksums in user space, what comes from a kernel that leaves them to the hardware arrives spoilt.
    checksums = "other_config:userspace-tso-enable=true"
    for line in (
        f"mkdir -p {_DIRECTORY}",
        f"rm -f {_DATABASE}",
        f"ovsdb-tool create {_DATABASE} {_SCHEMA}",
        f"ovsdb-server {_DATABASE} --remote=punix:{_DIRECTORY}/db.sock --pidfile --detach --log-file={_DIRECTORY}/db.log",
        f"ovs-vsctl --no-wait init -- set Open_vSwitch . {checksums}",
        f"ovs-vswitchd unix:{_DIRECTORY}/db.sock --pidfile --detach --log-file={_DIRECTORY}/vswitchd.log",
    ):
        run_inside(lab, host, line.split())


def _cable(lab: Lab, host: Host) -> None:
    if host.init is None:
        raise LabError(f"host {host.name} is not running")
    if not network.exists(lab.switch_link(host)):
        mac = f"02:4c:4e:{lab.number:02x}:03:{host.index:02x}"
        network.plug_in(lab.switch_link(host), lab.switch(), DEVICE, mac=mac, pid=host.init.pid)
