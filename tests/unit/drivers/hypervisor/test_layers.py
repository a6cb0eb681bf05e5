"""What libvirt says of the files under a disk's own."""

from __future__ import annotations

import pytest

from nebula.drivers.hypervisor.libvirt.connection import Session, load_library
from nebula.drivers.hypervisor.libvirt.layers import chain_of, source, switch
from nebula.drivers.hypervisor.libvirt.xml.tree import parse
from nebula.errors import ConflictError

DISK = """
<disk type='file' device='disk'>
  <source file='/srv/vms/7/disk.0.1' index='4'/>
  <backingStore type='file' index='3'>
    <source file='/srv/vms/7/disk.0'/>
    <backingStore type='file' index='1'>
      <source file='/srv/vms/7/../../images/x.qcow2'/>
      <backingStore/>
    </backingStore>
  </backingStore>
  <target dev='vda' bus='virtio'/>
</disk>
"""


def test_files_are_known_by_what_they_are_and_not_by_how_another_one_names_them() -> None:
    assert chain_of(parse(DISK, "a disk")) == {"/srv/vms/7/disk.0": "3", "/srv/images/x.qcow2": "1"}


def test_a_disk_alone_lies_on_nothing() -> None:
    assert chain_of(parse("<disk><source file='/a'/><target dev='vda'/></disk>", "a disk")) == {}


def test_the_definition_of_a_domain_that_is_off_names_the_new_file() -> None:
    libvirt = load_library()
    conn = libvirt.open("test:///default")
    uuid = "6f1b6c5e-0a55-4e0c-9a43-3f2e8d1c0b78"
    conn.defineXML(f"""<domain type='test'><name>off</name><uuid>{uuid}</uuid><memory>1024</memory><os><type>hvm</type></os>
        <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/disk.0'/>
        <target dev='vda' bus='virtio'/></disk></devices></domain>""")
    session = Session(libvirt, conn)
    for path in ("/srv/disk.0.1", "/srv/disk.0.1", "/srv/disk.0"):
        switch(session, uuid, "vda", path, "h1")
        assert source(session, uuid, "vda") == path
    with pytest.raises(ConflictError):
        switch(session, uuid, "vdb", "/srv/disk.0", "h1")
    conn.lookupByUUIDString(uuid).undefine()
    conn.close()
