"""A guest made by hand with libvirt's own tools, for the tests of the lab itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .handle import LabHandle

SHARED = "/srv/nebula-shared"
MAC = "02:00:4c:4e:00:01"


def define(lab: LabHandle, host: str, image: Path, *, name: str, address: str, machine: str = "q35", mac: str = MAC) -> None:
    """Copy the image to the shared directory, give it a context CD, define it on `host`."""
    shutil.copyfile(image, lab.shared / f"{name}.qcow2")
    (lab.shared / f"{name}.qcow2").chmod(0o600)
    context(lab.shared / f"{name}.iso", name, address, mac)
    (lab.shared / f"{name}.xml").write_text(
        _DOMAIN.format(name=name, machine=machine, bus="sata" if machine == "q35" else "ide", mac=mac)
    )
    lab.exec(host, "virsh", "define", f"{SHARED}/{name}.xml")


def context(iso: Path, name: str, address: str, mac: str = MAC) -> None:
    """An OpenNebula context CD."""
    directory = iso.with_suffix(".context")
    directory.mkdir()
    (directory / "context.sh").write_text(_CONTEXT.format(name=name, address=address, mac=mac))
    subprocess.run(
        ["genisoimage", "-quiet", "-V", "CONTEXT", "-J", "-R", "-o", str(iso), str(directory)], check=True, capture_output=True
    )


def remove(path: Path) -> None:
    """Delete one of a guest's files, or its context directory."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


_CONTEXT = """\
ETH0_IP='{address}'
ETH0_MASK='255.255.255.0'
ETH0_MAC='{mac}'
SET_HOSTNAME='{name}'
SSH_PUBLIC_KEY='ssh-ed25519 AAAA first
ssh-ed25519 BBBB it'\\''s $(poweroff -f) second'
"""

_DOMAIN = f"""\
<domain type='qemu'><name>{{name}}</name><memory unit='MiB'>112</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='{{machine}}'>hvm</type></os><features><acpi/></features>
<cpu mode='custom' match='exact'><model>qemu64</model></cpu><on_crash>preserve</on_crash>
<devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='{SHARED}/{{name}}.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{SHARED}/{{name}}.iso'/>
<target dev='sda' bus='{{bus}}'/><readonly/></disk>
<interface type='bridge'><mac address='{{mac}}'/><source bridge='br0'/><model type='virtio'/></interface>
<serial type='pty'><log file='/var/log/libvirt/qemu/{{name}}-serial.log' append='on'/></serial><console type='pty'/>
<panic model='isa'/>
</devices></domain>
"""
