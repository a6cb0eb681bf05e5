"""Memory that is plugged into a running domain on a real libvirtd."""

from __future__ import annotations

import msgspec
import pytest

from nebula.model.domain import DomainCell
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec

pytestmark = pytest.mark.lab


def test_memory_is_plugged_where_the_definition_has_room_for_it(hosts: LibvirtHosts) -> None:
    cells = (DomainCell(cpus=(0, 0), memory_mib=64),)
    spec = msgspec.structs.replace(bare_spec(1, memory_mib=64), memory_max_mib=512, memory_slots=2, cells=cells)
    driver = hosts.drivers[0]
    driver.start(spec)
    for _ in range(2):
        driver.resize(spec.uuid, vcpus=1, memory_mib=192, cpu_share=100)
        for option in ("--inactive", "--security-info"):
            xml = hosts.lab.exec("h1", "virsh", "dumpxml", option, spec.name)
            assert xml.count("<memory model='dimm'>") == 1
            assert f"<memory unit='KiB'>{192 << 10}</memory>" in xml
