"""What hosts give VMs for themselves: nothing twice, all of it back, and a reason where there is not enough."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nebula.engine.machines.hardware.host_devices import PciWish
from nebula.engine.machines.hardware.needs import Needs, needs_of
from nebula.engine.machines.held import Held, HeldNode
from nebula.engine.machines.template import regular
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.refusal import Refusal
from nebula.engine.scheduler.stock import CPUS, DEVICE, MEMORY, NODE, PAGES, UNKNOWN, HardwareView, Stock, offers
from nebula.engine.scheduler.values import ClusterSnapshot, HostView, VmView
from nebula.model.host import HostHardware, NumaNode, PageCount, PciDevice


def node(number: int, first: int, cores: int = 4, memory: int = 16384, pages: int = 0) -> NumaNode:
    """Cores with two threads, as kernels number them: siblings are `2 * cores` of both nodes apart."""
    return NumaNode(
        id=number,
        cores=tuple((cpu, cpu + 100) for cpu in range(first, first + cores)),
        memory_mib=memory,
        pages=(PageCount(size_mib=2, total=pages, free=pages),) if pages else (),
        distances=(10, 21) if number == 0 else (21, 10),
    )


def gpu(address: str, number: int = 1, **more: Any) -> PciDevice:
    facts: dict[str, Any] = {"vendor": "10de", "device": "1db6", "class_": "0302", "driver": "vfio-pci", "group": 7, **more}
    return PciDevice(address=address, node=number, **facts)


GPUS = (gpu("0000:3b:00.0"), gpu("0000:3c:00.0", device="1eb8"))
VIEW = HardwareView(hardware=HostHardware(nodes=(node(0, 0, pages=512), node(1, 10, pages=512)), devices=GPUS))


def got(stock: Stock, needs: Needs) -> Held:
    found = stock.fit(needs)
    assert isinstance(found, Held), found
    stock.take(found)
    return found


def refused(stock: Stock, needs: Needs) -> str:
    found = stock.fit(needs)
    assert isinstance(found, Refusal)
    assert found.told()
    return found.test


def test_whole_cores_go_to_one_vm() -> None:
    stock = Stock(VIEW)
    held = got(stock, Needs(parts=((3, 1024),), pin="core"))
    assert held.nodes == (
        HeldNode(
            node=0, memory_node=0, memory_mib=1024, pins=("0,100", "1,101", "2,102"), cpus=(0, 100, 1, 101, 2, 102)
        ),
    )  # fmt: skip
    assert got(stock, Needs(parts=((2, 1024),), pin="core")).nodes[0].node == 1
    assert refused(stock, Needs(parts=((3, 1024),), pin="core")) == CPUS


def test_single_threads_leave_whole_cores_to_others() -> None:
    stock = Stock(VIEW)
    assert got(stock, Needs(parts=((1, 512),), pin="thread")).nodes[0].pins == ("0",)
    assert got(stock, Needs(parts=((2, 512),), pin="thread")).nodes[0].pins == ("100", "1")
    assert len(got(stock, Needs(parts=((2, 512),), pin="core")).nodes[0].cpus) == 4


def test_shared_cpus_are_for_their_kind_only() -> None:
    stock = Stock(HardwareView(hardware=VIEW.hardware, sharing=2))
    first = got(stock, Needs(parts=((8, 512),), pin="shared"))
    assert first.nodes[0].pins == ("0-3,100-103",) * 8
    assert got(stock, Needs(parts=((8, 512),), pin="shared")).nodes[0].node == 0
    assert got(stock, Needs(parts=((4, 512),), pin="core")).nodes[0].node == 1
    assert refused(stock, Needs(parts=((1, 512),), pin="shared")) == CPUS


def test_a_node_for_each_of_the_vms_own() -> None:
    held = got(Stock(VIEW), Needs(parts=((2, 1024), (2, 1024)), pin="core", page=2))
    assert [part.node for part in held.nodes] == [0, 1]
    assert [part.memory_node for part in held.nodes] == [0, 1]


def test_huge_pages_are_counted_where_they_are() -> None:
    stock = Stock(VIEW)
    assert got(stock, Needs(parts=((1, 800),), page=2)).nodes[0].pins == ()
    assert got(stock, Needs(parts=((1, 800),), page=2)).nodes[0].memory_node == 1
    assert refused(stock, Needs(parts=((1, 800),), page=2)) == PAGES
    assert refused(stock, Needs(parts=((1, 1024),), page=1024)) == PAGES


def test_a_node_that_was_asked_for() -> None:
    stock = Stock(VIEW)
    held = got(stock, Needs(parts=((2, 1024),), node=1))
    assert (held.nodes[0].memory_node, held.nodes[0].pins, held.nodes[0].cpus) == (1, ("10-13,110-113",) * 2, ())
    assert refused(stock, Needs(parts=((2, 16000),), node=1)) == MEMORY
    assert refused(stock, Needs(parts=((2, 10),), node=7)) == NODE


def test_devices_go_to_one_vm_each_and_decide_the_node() -> None:
    stock = Stock(VIEW)
    both = Needs(pci=(PciWish(vendor="10de"), PciWish(address="0000:3b:00.0")), parts=((1, 512),), pin="core")
    held = got(stock, both)
    assert held.pci == ("0000:3c:00.0", "0000:3b:00.0")
    assert held.nodes[0].node == 1
    assert refused(stock, Needs(pci=(PciWish(class_="0302"),))) == DEVICE
    stock.give(held)
    assert got(stock, both) == held


def test_devices_that_the_host_needs_are_given_only_where_a_person_says_so() -> None:
    busy = gpu("0000:3b:00.0", driver="nvidia")
    own = HardwareView(hardware=HostHardware(devices=(busy,)))
    assert not offers(own, busy)
    assert refused(Stock(own), Needs(pci=(PciWish(vendor="10de"),))) == DEVICE
    told = HardwareView(hardware=own.hardware, offered=("10de:*",))
    assert got(Stock(told), Needs(pci=(PciWish(vendor="10de"),))).pci == ("0000:3b:00.0",)
    found = Stock(own).fit(Needs(pci=(PciWish(vendor="10de"),)))
    assert isinstance(found, Refusal)
    assert found.told() == "no free PCI device 10de:*: 0000:3b:00.0 is used by the host's driver nvidia"
    lone = gpu("0000:3b:00.0", group=-1)
    assert not offers(told, lone)


def test_isolated_cpus_are_nobodys_and_an_unseen_host_takes_none() -> None:
    view = HardwareView(hardware=HostHardware(nodes=(node(0, 0),)), isolated=frozenset({0, 1, 2}))
    assert got(Stock(view), Needs(parts=((1, 1),), pin="core")).nodes[0].pins == ("3,103",)
    assert refused(Stock(HardwareView()), Needs(parts=((1, 1),), pin="core")) == UNKNOWN


needs = st.builds(
    Needs,
    pci=st.lists(st.sampled_from([PciWish(vendor="10de"), PciWish(device="1eb8"), PciWish(address="0000:3b:00.0")]), max_size=2)
    .map(tuple),
    parts=st.lists(st.tuples(st.integers(1, 4), st.sampled_from([64, 512, 1024])), min_size=1, max_size=2).map(tuple),
    pin=st.sampled_from(["none", "core", "thread", "shared"]),
    page=st.sampled_from([0, 2]),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(needs, max_size=12))
def test_nothing_is_given_twice_and_all_comes_back(wanted: list[Needs]) -> None:
    stock = Stock(VIEW)
    given_away: list[Held] = []
    for one in wanted:
        found = stock.fit(one)
        if isinstance(found, Held):
            stock.take(found)
            given_away.append(found)
    devices = [address for held in given_away for address in held.pci]
    assert len(set(devices)) == len(devices)
    alone = [cpu for held in given_away for part in held.nodes if not part.shared for cpu in part.cpus]
    assert len(set(alone)) == len(alone)
    assert set(alone).isdisjoint(cpu for held in given_away for part in held.nodes if part.shared for cpu in part.cpus)
    for number in (0, 1):
        here = [part for held in given_away for part in held.nodes if part.memory_node == number]
        assert sum(part.memory_mib for part in here if part.page_mib) <= 1024
        assert sum(part.memory_mib for part in here if not part.page_mib) <= 16384
    for held in reversed(given_away):
        stock.give(held)
    whole = Needs(pci=(PciWish(vendor="10de"),) * 2, parts=((4, 1024), (4, 1024)), pin="core", page=2)
    assert isinstance(stock.fit(whole), Held)


def host(number: int, **more: Any) -> HostView:
    return HostView(
        id=number, name=f"h{number}", cluster_id=1, state="MONITORED", cpu_free=800, memory_free=8192, vms=0, **more
    )  # fmt: skip


def test_a_plan_gives_each_device_once_and_says_who_is_left() -> None:
    hosts = (
        host(1, hardware=HardwareView(hardware=HostHardware(devices=GPUS))),
        host(2, hardware=HardwareView(hardware=HostHardware())),
    )
    wish = Needs(pci=(PciWish(vendor="10de"),))
    vms = tuple(VmView(id=number, name=f"v{number}", cpu=100, memory=512, needs=wish) for number in (1, 2, 3))
    plan = place(ClusterSnapshot(hosts=hosts, pending=vms), vms)
    assert {action.host_id for action in plan.actions} == {1}
    assert len(plan.actions) == 2
    assert plan.unplaced[0].hosts == {
        "h1": "no free PCI device 10de:*: 0000:3b:00.0 is a VM's, 0000:3c:00.0 is a VM's",
        "h2": "no free PCI device 10de:*",
    }


def test_pinned_vms_and_others_keep_apart() -> None:
    free = HardwareView(hardware=HostHardware(nodes=(node(0, 0),)))
    hosts = (host(1, hardware=free, pinned=True), host(2, hardware=free))
    vms = (
        VmView(id=1, name="own", cpu=100, memory=512, needs=Needs(parts=((1, 512),), pin="core")),
        VmView(id=2, name="any", cpu=100, memory=512),
    )
    plan = place(ClusterSnapshot(hosts=hosts, pending=vms), vms)
    assert {action.vm_id: action.host_id for action in plan.actions} == {1: 1, 2: 2}


def test_a_host_lacks_what_a_processor_must_have() -> None:
    old = host(1, hardware=HardwareView(), cpu_models=frozenset({"qemu64"}), cpu_features=frozenset({"sse2"}))
    for wish, words in (
        (Needs(cpu_model="EPYC"), "libvirt has no CPU model EPYC for guests there"),
        (Needs(cpu_features=("avx2", "sse2")), "its CPU has no avx2"),
        (Needs(encryption="sev"), "it cannot encrypt memory with sev"),
    ):
        vm = VmView(id=1, name="v", cpu=100, memory=512, needs=wish)
        assert place(ClusterSnapshot(hosts=(old,), pending=(vm,)), (vm,)).unplaced[0].hosts == {"h1": words}


def test_what_templates_need() -> None:
    assert needs_of(regular({"CPU_MODEL": {"MODEL": "host-passthrough"}, "TOPOLOGY": {"CORES": 2}}), 2, 1024) is None
    found = needs_of(regular({"TOPOLOGY": {"PIN_POLICY": "core", "SOCKETS": 2}, "PCI": {"VENDOR": "10de"}}), 4, 1024)
    assert found == Needs(pci=(PciWish(vendor="10de"),), parts=((2, 512), (2, 512)), pin="core")
    assert needs_of(regular({"CPU_MODEL": {"MODEL": "EPYC", "FEATURES": "aes,-svm"}}), 1, 64) == Needs(
        cpu_model="EPYC", cpu_features=("aes",)
    )
    assert needs_of(regular({"TOPOLOGY": {"NODE_AFFINITY": 1}}), 2, 64) == Needs(parts=((2, 64),), node=1)
