"""Domains that others made, read from their definition; on libvirt's own test driver, which needs no host."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt import found
from nebula.drivers.hypervisor.libvirt.connection import Session
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import ConflictError, NotFoundError
from nebula.model.domain import DomainState
from nebula.model.found import FoundCard, FoundDisk
from nebula.transport.local import LocalTransport

UUID = "6f1b6c5e-0a55-4e0c-9a43-3f2e8d1c0b77"
XML = f"""\
<domain type='test' xmlns:other='https://other.invalid/1'>
  <name>mail</name><uuid>{UUID}</uuid><title>The mail server</title><description>made in 2019</description>
  <metadata><other:note>kept</other:note></metadata>
  <memory unit='GiB'>2</memory><currentMemory unit='GiB'>1</currentMemory><vcpu current='1'>4</vcpu>
  <os><type>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/var/lib/libvirt/images/mail.qcow2'/>
      <target dev='vda' bus='virtio'/></disk>
    <disk type='block' device='disk'><source dev='/dev/vg/data'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='rbd' name='pool/mail'/>
      <target dev='vdc' bus='virtio'/></disk>
    <interface type='network'><mac address='52:54:00:11:22:33'/><source network='default'/><model type='e1000'/></interface>
    <interface type='bridge'><mac address='52:54:00:11:22:34'/><source bridge='br0'/></interface>
    <graphics type='spice' port='5901'/>
  </devices>
</domain>
"""


@pytest.fixture
def session() -> Iterator[Session]:
    """A connection to libvirt's test driver, where the domain is defined and off."""
    libvirt = pytest.importorskip("libvirt")
    conn = libvirt.open("test:///default")
    conn.defineXML(XML)
    yield Session(libvirt, conn)
    conn.lookupByUUIDString(UUID).undefineFlags(0)
    conn.close()


def test_a_domain_is_read_with_all_that_it_has(session: Session) -> None:
    seen = found.inspect(session, UUID, "h1")
    assert (seen.name, seen.uuid, seen.title, seen.description) == ("mail", UUID, "The mail server", "made in 2019")
    assert (seen.state, seen.persistent, seen.saved) == (DomainState.SHUTOFF, True, False)
    assert (seen.memory_mib, seen.vcpus, seen.graphics) == (2048, 4, "spice")
    assert seen.disks == (
        FoundDisk(target="vda", path="/var/lib/libvirt/images/mail.qcow2", bus="virtio", format="qcow2"),
        FoundDisk(target="vdb", path="/dev/vg/data", type="block", bus="virtio"),
        FoundDisk(target="vdc", path="pool/mail", type="network", bus="virtio"),
        FoundDisk(target="sda", device="cdrom", bus="sata", readonly=True),
    )
    assert [disk.target for disk in seen.disks if disk.is_own_file] == ["vda"]
    assert seen.cards == (
        FoundCard(mac="52:54:00:11:22:33", source="default", type="network", model="e1000"),
        FoundCard(mac="52:54:00:11:22:34", source="br0", type="bridge"),
    )
    with pytest.raises(NotFoundError):
        found.inspect(session, UUID.replace("6", "7"), "h1")


def test_it_starts_as_it_is_defined(session: Session) -> None:
    domain = session.conn.lookupByUUIDString(UUID)
    before = domain.XMLDesc(session.lib.VIR_DOMAIN_XML_INACTIVE)
    for _ in range(2):
        found.start_defined(session, UUID, "h1")
    assert found.inspect(session, UUID, "h1").state is DomainState.RUNNING
    assert domain.XMLDesc(session.lib.VIR_DOMAIN_XML_INACTIVE) == before
    domain.destroy()


def test_a_file_that_a_domain_has_is_in_use_on_or_off(session: Session) -> None:
    used = found.files(session)
    assert used["/var/lib/libvirt/images/mail.qcow2"] == "mail"
    found.refuse_used(["/nobody's"], used, "h1")
    with pytest.raises(ConflictError, match=r"mail.qcow2"):
        found.refuse_used(["/nobody's", "/var/lib/libvirt/images/mail.qcow2"], used, "h1")


def test_a_file_on_which_a_disk_of_a_domain_that_is_off_lies_stays(tmp_path: Path) -> None:
    host = HostHandle(
        host_id=1, name="h1", address="", user="", port=22, virt="kvm", root=str(tmp_path), transport=LocalTransport()
    )
    base, middle, top, lone = (str(tmp_path / name) for name in ("base", "middle", "top", "lone"))
    for path, below in ((base, ""), (middle, base), (top, middle), (lone, "")):
        backing = ["-b", below, "-F", "qcow2"] if below else []
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, path, "1M"], check=True)
    used = {top: "mail", str(tmp_path / "gone"): "gone"}
    for path in (base, middle, top):
        with pytest.raises(ConflictError, match="mail"):
            found.delete_files(host, [lone, path], used)
    found.delete_files(host, [lone, str(tmp_path / "never")], used)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "middle", "top"]


@pytest.mark.parametrize(
    ("text", "mib"),
    [("<memory>1048576</memory>", 1024), ("<memory unit='MiB'>112</memory>", 112), ("<memory unit='G'>2</memory>", 2048),
     ("<memory unit='b'>1073741824</memory>", 1024), ("<memory unit='GB'>1</memory>", 954), ("", 0)],
)  # fmt: skip
def test_memory_is_read_in_any_unit(text: str, mib: int) -> None:
    assert found.memory_of(parse(f"<domain>{text}</domain>", "it")) == mib
