"""A way for our guests through somebody else's FORWARD chain (ufw, docker, iptables rules of the host's own).

An `accept` in a table of ours does not overrule a `drop` in theirs: a packet must pass every chain. So where the FORWARD
chain of iptables does more than accept everything, our rules go to its head, each with our tag as its comment.
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Network

from nebula.drivers.base import HostHandle
from nebula.drivers.network.names import tag
from nebula.model.network import NetworkSpec

_OPEN = ["-P FORWARD ACCEPT"]


def let_through(host: HostHandle, network: NetworkSpec, subnet: IPv4Network) -> None:
    """Put our rules at the head of FORWARD where that chain could stop our packets; there already: nothing."""
    present = forward_chain(host)
    wanted = _rules(network, subnet)
    tagged = [line for line in present if tag(network) in shlex.split(line)]
    if present in ([], _OPEN) or {_normal(line) for line in tagged} == {_normal(" ".join(rule)) for rule in wanted}:
        return
    _delete(host, tagged)
    for rule in wanted:
        _run(host, ["-I", *rule[1:]])


def take_back(host: HostHandle, network: NetworkSpec) -> None:
    """Remove every rule that has our tag for this network."""
    _delete(host, [line for line in forward_chain(host) if tag(network) in shlex.split(line)])


def forward_chain(host: HostHandle) -> list[str]:
    """The FORWARD chain as `iptables -S` has it; empty on a host without iptables."""
    # Through env, because a missing program is then an exit status wherever the command runs.
    done = host.transport.run(["env", "iptables", "-w", "5", "-S", "FORWARD"], root=True, check=False)
    return [line.strip() for line in done.text.splitlines() if line.strip()] if done.status == 0 else []


def _rules(network: NetworkSpec, subnet: IPv4Network) -> list[list[str]]:
    """Between guests (bridged packets come by where br_netfilter is loaded), to the outside, and what may come from there."""
    bridge, source = network.bridge, str(subnet)
    invited = [] if network.routed else ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    matches = [["-i", bridge, "-o", bridge], ["-s", source, "-i", bridge], ["-d", source, "-o", bridge, *invited]]
    return [["-A", "FORWARD", *match, "-m", "comment", "--comment", tag(network), "-j", "ACCEPT"] for match in matches]


def _normal(line: str) -> frozenset[str]:
    return frozenset(shlex.split(line))


def _delete(host: HostHandle, lines: list[str]) -> None:
    for line in lines:
        _run(host, ["-D", *shlex.split(line)[1:]])


def _run(host: HostHandle, arguments: list[str]) -> None:
    host.transport.run(["iptables", "-w", "5", *arguments], root=True)
