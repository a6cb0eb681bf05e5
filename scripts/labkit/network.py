"""The lab's cables: bridges on this machine, and per host one veth for management and one for its guests."""

from __future__ import annotations

from pathlib import Path

from .errors import LabError
from .run import attempt, run
from .spec import Host, Lab

NUMBERS = range(1, 255)


def claim_number(first: int) -> int:
    """The first free lab number from `first` on, claimed by making its management bridge (which only one can)."""
    for step in NUMBERS:
        number = (first + step - 2) % len(NUMBERS) + 1
        if attempt(["ip", "link", "add", f"nl{number}", "type", "bridge"]).returncode == 0:
            return number
    raise LabError("no free lab number: 254 labs run on this machine", hint="scripts/lab down")


def build(lab: Lab) -> None:
    """Address the management bridge; make the guests' bridge if the lab has one."""
    _raise_bridge(lab.bridge(), lab.gateway())
    if lab.options.guest_bridge:
        run(["ip", "link", "add", lab.guest_bridge(), "type", "bridge"])
        _raise_bridge(lab.guest_bridge(), lab.guest_gateway())


def remove(lab: Lab) -> None:
    """Take away every interface that the lab made on this machine."""
    for host in lab.hosts:
        unplug(lab, host)
    for name in (lab.bridge(), lab.guest_bridge()):
        _delete(name)


def plug(lab: Lab, host: Host) -> None:
    """Give the host's network namespace its `eth0`, and `eth1` in a bridge of its own where guests have a network."""
    if host.init is None:
        raise LabError(f"host {host.name} is not running")
    unplug(lab, host)
    plug_in(lab.link(host), lab.bridge(), "eth0", mac=f"02:4c:4e:{lab.number:02x}:00:{host.index:02x}", pid=host.init.pid)
    if lab.options.guest_bridge:
        mac = f"02:4c:4e:{lab.number:02x}:01:{host.index:02x}"
        plug_in(lab.guest_link(host), lab.guest_bridge(), "eth1", mac=mac, pid=host.init.pid)


def commands_inside(lab: Lab, host: Host) -> list[list[str]]:
    """What is to be run inside the host so that its interfaces are up and addressed."""
    lines = ["ip link set lo up", f"ip addr add {lab.address(host)}/24 dev eth0", "ip link set eth0 up"]
    bridge = lab.options.guest_bridge
    if bridge:
        lines += [f"ip link add {bridge} type bridge", f"ip link set eth1 master {bridge} up", f"ip link set {bridge} up"]
    return [line.split() for line in lines]


def unplug(lab: Lab, host: Host) -> None:
    """Pull out the host's cables."""
    for name in (lab.link(host), lab.guest_link(host)):
        _delete(name)


def cable(lab: Lab, link: str, *, mac: str, pid: int) -> None:
    """Give the network namespace of `pid` an `eth0` on the management network, whose other end is `link`."""
    _delete(link)
    plug_in(link, lab.bridge(), "eth0", mac=mac, pid=pid)


def make_switch(name: str) -> None:
    """A bridge on this machine without an address, whose ports may carry VLANs."""
    run(["ip", "link", "add", name, "type", "bridge"])
    run(["ip", "link", "set", name, "up"])


def plug_in(outside: str, bridge: str, inside: str, *, mac: str, pid: int) -> None:
    """Give the network namespace of `pid` a device, whose other end is a port of a bridge on this machine."""
    peer = ["peer", "name", inside, "address", mac, "netns", str(pid)]
    run(["ip", "link", "add", outside, "type", "veth", *peer])
    run(["ip", "link", "set", outside, "master", bridge, "up"])


def plug_tap(name: str, bridge: str | None) -> None:
    """A cable for a virtual machine: a tap of that name, a port of a bridge on this machine if one is given."""
    _delete(name)
    run(["ip", "tuntap", "add", name, "mode", "tap"])
    run(["ip", "link", "set", name, *(["master", bridge] if bridge else []), "up"])


def pull_out(link: str) -> None:
    """Take such a cable away."""
    _delete(link)


def set_link(name: str, state: str) -> None:
    """Put this machine's end of a cable `up` or `down`."""
    run(["ip", "link", "set", name, state])


def slow_argv(name: str, rate: str) -> list[str]:
    """The command that lets an interface send no more than `rate`, like 16mbit."""
    return ["tc", "qdisc", "replace", "dev", name, "root", "tbf", "rate", rate, "burst", "32kb", "latency", "100ms"]


def quick_argv(name: str) -> list[str]:
    """The command that lets it send what it can again."""
    return ["tc", "qdisc", "delete", "dev", name, "root"]


def slow_down(name: str, rate: str) -> None:
    """Let this machine's end of a cable send no more than `rate`."""
    run(slow_argv(name, rate))


def speed_up(name: str) -> None:
    """Let this machine's end of a cable send what it can; it may be another cable by now."""
    attempt(quick_argv(name))


def exists(name: str) -> bool:
    """Whether this machine has an interface of that name."""
    return Path("/sys/class/net", name).exists()


def _raise_bridge(name: str, address: str) -> None:
    run(["ip", "addr", "add", f"{address}/24", "dev", name])
    run(["ip", "link", "set", name, "up"])


def _delete(name: str) -> None:
    if exists(name):
        attempt(["ip", "link", "delete", name])
