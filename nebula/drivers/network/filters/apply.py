"""Filters put on a host, taken away, and found there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nebula.drivers.base import HostHandle
from nebula.drivers.network import nft
from nebula.drivers.network.filters import fallback, ruleset, switches
from nebula.drivers.network.names import is_tap
from nebula.errors import CommandError
from nebula.model.network import NicSpec

_TOOLS = {4: "iptables", 6: "ip6tables"}
_SET = re.compile(r"Name: (nb[46]-[0-9a-f]+)\n(?:(?!Name: ).*\n)*?References: 0\n")


def set_filters(host: HostHandle, nics: Sequence[NicSpec]) -> None:
    """See Network.set_filters: one transaction of nftables; and one of iptables a family, where that has to do it."""
    wanted = [nic for nic in nics if nic.filter is not None]
    none = [nic.tap for nic in nics if nic.filter is None]
    if not wanted:
        remove_filters(host, none)
        return
    gone = sorted(_by_nft(host) & set(none))
    try:
        nft.load(host, ruleset.script(wanted, gone, stateful=True))
    except CommandError:
        if all(nic.filter is not None and nic.filter.rules is None for nic in wanted):
            raise
    else:
        return
    # What drops by default comes first, and then what lets all pass that this one sees: nothing is open in between.
    switches.switch_on(host)
    _by_iptables(host, wanted, none)
    nft.load(host, ruleset.script(wanted, gone, stateful=False))


def remove_filters(host: HostHandle, taps: Sequence[str]) -> None:
    """Nothing of ours filters these cards any more. Nothing there: nothing."""
    present = _by_nft(host)
    gone = sorted(present & set(taps))
    if gone and present == set(gone):
        nft.load(host, f"delete table bridge {ruleset.TABLE}")
    elif gone:
        nft.load(host, ruleset.script((), gone, stateful=True))
    if fallback.taps_in(_table(host, 4)) & set(taps):
        _by_iptables(host, (), taps)
    if not fallback.taps_in(_table(host, 4)):
        switches.put_back(host)


def filtered(host: HostHandle) -> list[str]:
    """See Network.filtered."""
    return sorted(_by_nft(host) | fallback.taps_in(_table(host, 4)) | fallback.taps_in(_table(host, 6)))


def _by_nft(host: HostHandle) -> set[str]:
    chains = nft.chains(host, "bridge", ruleset.TABLE)
    return {tap for tap in (chain.removesuffix(ruleset.SENDS) for chain in chains) if is_tap(tap)}


def _by_iptables(host: HostHandle, nics: Sequence[NicSpec], gone: Sequence[str]) -> None:
    sets = fallback.sets(nics)
    if sets:
        host.transport.run(["ipset", "restore"], stdin=sets.encode("ascii"), root=True)
    for version, tool in _TOOLS.items():
        text = fallback.restore(nics, gone, _table(host, version), version)
        if text:
            host.transport.run([f"{tool}-restore", "--noflush", "-w", "5"], stdin=text.encode("ascii"), root=True)
    _drop_unused_sets(host)


def _table(host: HostHandle, version: int) -> list[str]:
    """The filter table as `iptables -S` has it; empty on a host without iptables."""
    done = host.transport.run(["env", _TOOLS[version], "-w", "5", "-S"], root=True, check=False)
    return [line.strip() for line in done.text.splitlines() if line.strip()] if done.status == 0 else []


def _drop_unused_sets(host: HostHandle) -> None:
    listed = host.transport.run(["env", "ipset", "list", "-t"], root=True, check=False)
    unused = _SET.findall(listed.text)
    if unused:
        script = "".join(f"destroy {name}\n" for name in unused)
        host.transport.run(["ipset", "restore"], stdin=script.encode("ascii"), root=True, check=False)
