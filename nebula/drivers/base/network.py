"""The contract of drivers of networks."""

from __future__ import annotations

from typing import Protocol

import msgspec

from nebula.drivers.base.host import HostHandle
from nebula.model.host import Finding
from nebula.model.network import NetworkSpec, NicSpec


class NetworkCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a network driver can do."""

    vlan: bool
    nat: bool
    security_groups: bool
    spans_hosts: bool
    """Guests on two hosts reach each other without help from outside."""


class Network(Protocol):
    """Virtual networks on hosts."""

    @property
    def capabilities(self) -> NetworkCapabilities:
        """What it can do."""
        ...

    def check(self, host: HostHandle, network: NetworkSpec) -> list[Finding]:
        """Whether the host can carry the network; changes nothing."""
        ...

    def prepare(self, host: HostHandle, network: NetworkSpec) -> None:
        """Before a VM starts: the bridge is there and up (made if owned; ConflictError if not owned and missing)."""
        ...

    def plugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM started: the tap exists; filters go here."""
        ...

    def unplugged(self, host: HostHandle, nic: NicSpec) -> None:
        """After the VM left: the tap, if it is still there, and its filters are gone."""
        ...

    def release(self, host: HostHandle, network: NetworkSpec) -> None:
        """Take an owned bridge away if no card is left on it; otherwise nothing."""
        ...

    def taps(self, host: HostHandle) -> list[str]:
        """Names of our taps on the host, for the search for leaks."""
        ...
