"""br_netfilter, which shows bridged packets to iptables: loaded and switched on, and back to what it was.

What we switched on is remembered by chains without rules in a table of our own: they live in the kernel and die at a reboot, as
the switches do.
"""

from __future__ import annotations

from nebula.drivers.base import HostHandle
from nebula.drivers.network import nft
from nebula.errors import ConflictError

_TABLE = "nebula_switches"
_SWITCHES = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")


def switch_on(host: HostHandle) -> None:
    """ConflictError where the kernel has neither connections for bridges nor br_netfilter."""
    if not _there(host):
        host.transport.run(["env", "modprobe", "br_netfilter"], root=True, check=False)
        if not _there(host):
            raise ConflictError(
                f"the kernel of host {host.name} cannot filter what passes its bridges",
                cause="it has neither nf_conntrack_bridge nor br_netfilter",
                hint=f"on {host.name}: modprobe nf_conntrack_bridge",
            )
    off = [name for name in _SWITCHES if _value(host, name) == "0"]
    if off:
        # Written down first: putting back a 0 that was a 0 does no harm.
        nft.load(host, "\n".join([f"add table bridge {_TABLE}", *(f"add chain bridge {_TABLE} {name}" for name in off)]))
    for name in off:
        _write(host, name, "1")


def put_back(host: HostHandle) -> None:
    """Switch off what we switched on."""
    ours = nft.chains(host, "bridge", _TABLE)
    for name in ours:
        if name in _SWITCHES:
            _write(host, name, "0")
    if ours:
        nft.load(host, f"delete table bridge {_TABLE}")


def _there(host: HostHandle) -> bool:
    return host.transport.run(["test", "-e", _path(_SWITCHES[0])], root=True, check=False).status == 0


def _value(host: HostHandle, name: str) -> str:
    return host.transport.run(["cat", _path(name)], root=True).text.strip()


def _write(host: HostHandle, name: str, value: str) -> None:
    host.transport.run(["tee", _path(name)], stdin=f"{value}\n".encode(), root=True)


def _path(name: str) -> str:
    return f"/proc/sys/net/bridge/{name}"
