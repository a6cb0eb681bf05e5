"""NUMA nodes and PCI devices out of what kernels show, and rubbish."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nebula.drivers.monitor.hardware import parse_hardware
from nebula.model.host import DeviceAddress, HostHardware, NumaNode, PageCount, PciDevice

TWO_SOCKETS = """node/node0/cpulist:0-1,4-5
node/node1/cpulist:2-3,6-7
node/node0/distance:10 21
node/node1/distance:21 10
node/node0/hugepages/hugepages-1048576kB/nr_hugepages:4
node/node0/hugepages/hugepages-2048kB/nr_hugepages:0
node/node1/hugepages/hugepages-1048576kB/nr_hugepages:0
node/node0/hugepages/hugepages-1048576kB/free_hugepages:3
cpu/cpu0/topology/thread_siblings_list:0,4
cpu/cpu1/topology/thread_siblings_list:1,5
cpu/cpu2/topology/thread_siblings_list:2,6
cpu/cpu3/topology/thread_siblings_list:3,7
cpu/cpu4/topology/thread_siblings_list:0,4
cpu/cpu5/topology/thread_siblings_list:1,5
cpu/cpu6/topology/thread_siblings_list:2,6
cpu/cpu7/topology/thread_siblings_list:3,7
Node 0 MemTotal:       33554432 kB
Node 1 MemTotal:       16777216 kB
0000:00:01.0/uevent:PCI_CLASS=60400
0000:00:01.0/uevent:PCI_ID=8086:1901
0000:3b:00.0/uevent:DRIVER=nvidia
0000:3b:00.0/uevent:PCI_CLASS=30200
0000:3b:00.0/uevent:PCI_ID=10DE:1DB6
0000:3b:00.0/uevent:PCI_SLOT_NAME=0000:3b:00.0
0000:3c:00.0/uevent:PCI_CLASS=20000
0000:3c:00.0/uevent:PCI_ID=8086:1521
0000:3b:00.0/numa_node:1
0000:3c:00.0/numa_node:-1
17/devices/0000:3b:00.0 17/devices/0000:3b:00.1 2/devices/0000:00:01.0
2: eth0    inet 192.0.2.5/24 brd 192.0.2.255 scope global dynamic eth0\\       valid_lft 60sec preferred_lft 60sec
2: eth0    inet 192.0.2.6/24 scope global secondary eth0\\       valid_lft forever preferred_lft forever
7: bond0.40@bond0    inet 198.51.100.5/16 brd 198.51.255.255 scope global bond0.40
9: onebr3    inet 10.64.0.1/24 scope global onebr3
"""


def test_two_sockets_with_a_gpu() -> None:
    assert parse_hardware(TWO_SOCKETS.splitlines()) == HostHardware(
        nodes=(
            NumaNode(
                id=0,
                cores=((0, 4), (1, 5)),
                memory_mib=32768,
                pages=(PageCount(size_mib=1024, total=4, free=3),),
                distances=(10, 21),
            ),
            NumaNode(id=1, cores=((2, 6), (3, 7)), memory_mib=16384, distances=(21, 10)),
        ),
        devices=(
            PciDevice(address="0000:3b:00.0", vendor="10de", device="1db6", class_="0302", node=1, driver="nvidia", group=17),
            PciDevice(address="0000:3c:00.0", vendor="8086", device="1521", class_="0200"),
        ),
        addresses=(
            DeviceAddress(device="eth0", address="192.0.2.5"),
            DeviceAddress(device="eth0", address="192.0.2.6"),
            DeviceAddress(device="bond0.40", address="198.51.100.5"),
        ),
    )


@given(st.text() | st.lists(st.sampled_from(TWO_SOCKETS.splitlines()), max_size=40).map("\n".join))
def test_rubbish_is_left_out(text: str) -> None:
    assert isinstance(parse_hardware(text.splitlines()), HostHardware)
