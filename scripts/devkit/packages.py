"""Debian's packages that each piece of work needs: the one list, next to the lab's own in labkit."""

from __future__ import annotations

from labkit import ceph, iscsi, openvswitch
from labkit import packages as lab

BUILD = ("gcc", "libc6-dev", "libvirt-dev", "pkg-config", "python3-dev", "python3-venv")
DATABASES = ("mariadb-server", "postgresql")
LAB = (
    *lab.HOST_PACKAGES, *lab.IMAGE_PACKAGES, *ceph.PACKAGES, *iscsi.PACKAGES, *openvswitch.PACKAGES, "dnsmasq-base", "ipset",
    "iptables", "lxcfs", "ovmf", "sshfs", "swtpm", "swtpm-tools",
)  # fmt: skip
SLOW = (*lab.DEBIAN_PACKAGES, "chromium")
TOOLS = ("bash", "ca-certificates", "fish", "git", "openssl", "procps", "systemd", "tmux", "util-linux", "zsh")
RUN = (*lab.HOST_PACKAGES, *openvswitch.PACKAGES, "dnsmasq-base", "ipset", "iptables", "libxml2-utils")
"""A host for virtual machines with libvirt's own networks and Open vSwitch; xmllint for virt-xml-validate."""
ROUTING = ("frr",)
"""BGP daemons, which tell hosts of a VXLAN with EVPN who has which address."""
GUEST = ("cloud-init", "qemu-guest-agent")
"""What reads a context CD in a guest, and what does there as it is told: asked for what they make of ours."""

require = lab.require
"""require(packages, install=True): install what is missing; raises `LabError` with the command if it cannot."""
