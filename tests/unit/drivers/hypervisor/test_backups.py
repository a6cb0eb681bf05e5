"""What a backup that came to nothing leaves in the disks of a guest that is off."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from nebula.drivers.hypervisor.libvirt.backups import end, forget, remove_bitmaps
from nebula.drivers.hypervisor.libvirt.connection import Session, load_library
from tests.unit.drivers.hypervisor.test_migration_route import SOURCE


def bitmaps(path: Path) -> list[str]:
    said = subprocess.run(
        ["qemu-img", "info", "--output=json", str(path)], capture_output=True, check=True
    ).stdout  # fmt: skip
    return [one["name"] for one in json.loads(said)["format-specific"]["data"].get("bitmaps", [])]


def test_the_bitmaps_of_a_checkpoint_are_taken_out_of_its_disks(tmp_path: Path) -> None:
    disk = tmp_path / "it's a disk.0"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    for name in ("nebula-1", "nebula-12"):
        subprocess.run(["qemu-img", "bitmap", "--add", "-f", "qcow2", str(disk), name], check=True)
    for _ in range(2):
        remove_bitmaps(SOURCE, "nebula-1", [str(disk), str(tmp_path / "gone")])
        assert bitmaps(disk) == ["nebula-12"]


def test_the_disks_of_a_guest_that_is_off_may_have_some() -> None:
    libvirt = load_library()
    conn = libvirt.open("test:///default")
    uuid = "6f1b6c5e-0a55-4e0c-9a43-3f2e8d1c0b79"
    conn.defineXML(f"""<domain type='test'><name>off</name><uuid>{uuid}</uuid><memory>1024</memory><os><type>hvm</type></os>
        <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/disk.0'/>
        <target dev='vda' bus='virtio'/></disk><disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
        <source file='/srv/context.iso'/><target dev='sda' bus='sata'/></disk></devices></domain>""")
    session = Session(libvirt, conn)
    assert end(session, uuid, "nebula-1") == forget(session, uuid, "nebula-1") == ["/srv/disk.0"]
    assert end(session, uuid, "") == []
    conn.lookupByUUIDString(uuid).undefine()
    assert end(session, uuid, "nebula-1") == []
    conn.close()
