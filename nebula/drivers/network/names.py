"""Names that end up in front of the kernel: checked before, ours told from others'."""

from __future__ import annotations

import re

from nebula.errors import UsageError
from nebula.model.network import NetworkSpec

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", re.ASCII)
_TAP = re.compile(r"one-\d+-\d+", re.ASCII)
_PROBE = re.compile(r"nbp[0-9a-f]{8}", re.ASCII)
_TAG = "nebula:network:"


def check_device(name: str) -> str:
    """The name itself; UsageError if no network device can have it."""
    if not _DEVICE.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a network device's name", hint="use at most 15 letters, digits, dots and hyphens")
    return name


def is_tap(name: str) -> bool:
    """Whether the device is a card of one of our VMs: `one-VMID-NICID`."""
    return _TAP.fullmatch(name) is not None


def is_probe(name: str) -> bool:
    """Whether the device is the host's end of a probe."""
    return _PROBE.fullmatch(name) is not None


def tag(network: NetworkSpec) -> str:
    """What marks a bridge or a rule as made by us for this network."""
    return f"{_TAG}{network.bridge_id}"


def tagged(alias: str) -> int:
    """The network whose tag a device has as its alias; -1 for none."""
    number = alias.removeprefix(_TAG)
    return int(number) if number != alias and number.isdecimal() else -1


def table(network: NetworkSpec) -> str:
    """The network's own nftables table (family ip)."""
    return f"nebula_net_{network.bridge_id}"
