"""Debian's packages that each piece of work needs: the one list, next to the lab's own in labkit."""

from __future__ import annotations

from labkit import packages as lab

BUILD = ("gcc", "libc6-dev", "libvirt-dev", "pkg-config", "python3-dev", "python3-venv")
DATABASES = ("mariadb-server", "postgresql")
LAB = (*lab.HOST_PACKAGES, *lab.IMAGE_PACKAGES, "dnsmasq-base", "iptables", "lxcfs")
TOOLS = ("ca-certificates", "git", "procps", "tmux")
RUN = (*lab.HOST_PACKAGES, "dnsmasq-base", "iptables")
"""A host for virtual machines with libvirt's own networks."""

require = lab.require
"""require(packages, install=True): install what is missing; raises `LabError` with the command if it cannot."""
