"""A domain bound to CPUs and nodes of its host is bound to those of the target when it moves."""

from __future__ import annotations

from nebula.drivers.hypervisor.libvirt.migration_xml import Booted, There, with_binding, with_booted
from nebula.drivers.hypervisor.libvirt.xml.tree import parse

HERE = """<domain><cputune><shares>100</shares><vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='3'/>
<emulatorpin cpuset='0'/></cputune><numatune><memory mode='strict' nodeset='0'/>
<memnode cellid='0' mode='strict' nodeset='0'/></numatune><cpu><numa><cell id='0' cpus='0-1' memory='1024'/></numa></cpu>
</domain>"""


def test_pins_and_nodes_are_the_targets() -> None:
    root = parse(with_binding(HERE, There(paths={}, pins=("8", "9"), host_nodes=(1,))), "a test's XML")
    assert [pin.get("cpuset") for pin in root.iterfind("cputune/vcpupin")] == ["8", "9"]
    assert root.findtext("cputune/shares") == "100"
    assert [node.get("nodeset") for node in root.iterfind("numatune/*")] == ["1", "1"]


def test_a_domain_without_nodes_of_its_own_has_memory_alone() -> None:
    root = parse(with_binding("<domain/>", There(paths={}, pins=("8",), host_nodes=(1,))), "a test's XML")
    assert [node.tag for node in root.iterfind("numatune/*")] == ["memory"]


def test_a_domain_that_is_bound_to_nothing_stays_as_it_is() -> None:
    assert with_binding(HERE, There(paths={})) == HERE


def test_what_a_domain_is_booted_from_is_where_the_target_has_it() -> None:
    root = parse(with_booted("<domain><os><kernel>/a/k</kernel></os></domain>", Booted("/b/k", "/b/i")), "a test's XML")
    assert (root.findtext("os/kernel"), root.find("os/initrd")) == ("/b/k", None)
    root = parse(with_booted("<domain><os><kernel>/a/k</kernel><initrd>/a/i</initrd></os></domain>", Booted()), "a test's XML")
    assert [root.findtext(f"os/{name}") for name in ("kernel", "initrd")] == ["/a/k", "/a/i"]
