"""The contract on two real libvirtds."""

from __future__ import annotations

import pytest

from tests.contract.hypervisor import *  # noqa: F403
from tests.contract.hypervisor import HypervisorPair, HypervisorSubject
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec

pytestmark = pytest.mark.lab
FILE = "/var/lib/nebula/contract.raw"
COPY = "/var/lib/nebula/contract-copy.raw"


@pytest.fixture
def subject(hosts: LibvirtHosts) -> HypervisorSubject:
    transport = hosts.handles[0].transport
    transport.run(["sh", "-c", "ip link add br0 type bridge 2>/dev/null; ip link set br0 up"], root=True)
    transport.run(["truncate", "-s", "8M", FILE, COPY], root=True)
    return HypervisorSubject(hosts.drivers[0], bare_spec, FILE, COPY)


@pytest.fixture
def pair(hosts: LibvirtHosts) -> HypervisorPair:
    return HypervisorPair(hosts.drivers[0], hosts.drivers[1], hosts.handles[1], bare_spec)
