"""Which devices count: each byte once, where it enters or leaves the host."""

from __future__ import annotations

import re

_DISK = re.compile(r"(sd|hd|vd|xvd|dasd)[a-z]+|nvme\d+n\d+|(mmcblk|pmem|rbd|nbd)\d+")
"""Whole disks: partitions, device mapper, RAID and loop devices would count the same bytes again."""
_VIRTUAL = re.compile(
    r"lo|one-.*|(onebr|vnet|tap|tun|veth|virbr|br|docker|lxc|lxdbr|incusbr|vmbr|fwbr|fwpr|fwln|bond|team|dummy|ifb|vxlan|geneve"
    r"|ovs|wg|macvtap|cni|flannel|cali|sit|gre|erspan|ip6tnl|ip6gre|tunl|nlmon).*|.*[.@].*"
)
"""Network devices whose traffic passes another one too, or never leaves the host."""


def is_disk(name: str) -> bool:
    """Whether the block device is a whole disk."""
    return _DISK.fullmatch(name) is not None


def is_uplink(name: str) -> bool:
    """Whether the network device leads out of the host."""
    return _VIRTUAL.fullmatch(name) is None
