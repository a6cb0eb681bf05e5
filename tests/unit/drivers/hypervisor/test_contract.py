"""The contract on two real libvirtds."""

from __future__ import annotations

import pytest

from tests.contract.hypervisor import *  # noqa: F403
from tests.contract.hypervisor import HypervisorPair, HypervisorSubject
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec

pytestmark = pytest.mark.lab


@pytest.fixture
def subject(hosts: LibvirtHosts) -> HypervisorSubject:
    return HypervisorSubject(hosts.drivers[0], bare_spec)


@pytest.fixture
def pair(hosts: LibvirtHosts) -> HypervisorPair:
    return HypervisorPair(hosts.drivers[0], hosts.drivers[1], hosts.handles[1], bare_spec)
