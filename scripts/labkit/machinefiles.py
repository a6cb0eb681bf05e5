"""What the lab keeps of a machine: its host keys, its disks, and the files that it takes over at its first start."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

from . import files, images, libvirtconf, machineimage, network
from .enter import run_inside
from .run import run
from .spec import Host, Lab

ENTRY_ADDRESS = "10.0.2.15"
"""Of the machine's interface `lab0`, by which only the lab comes in."""


def build(lab: Lab, host: Host, image: machineimage.MachineImage) -> None:
    """Make everything that `host` keeps over a power cut."""
    base = lab.directory(host)
    for name in ("etc/ssh", "run"):
        (base / name).mkdir(parents=True)
    key = base / "etc" / "ssh" / "ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(key)])
    for part in (image.root, image.kernel):
        _keep(part, base / part.name)
    _seed(lab, host, base / "tree" / "seed", image.root.with_name(machineimage.CAPABILITIES))
    seed = images.cpio(base / "tree", base / "seed.cpio")
    (base / "initrd").write_bytes(image.initrd.read_bytes() + seed)
    root = ["-F", "raw", "-b", str(base / image.root.name), str(base / "root.qcow2")]
    run(["qemu-img", "create", "-q", "-f", "qcow2", *root])
    files.disk(base / "nebula.img", lab.options.disk)
    for number, size in enumerate(lab.options.disks, 1):
        blank(base / f"own{number}.img", size)


def blank(path: Path, gibibytes: int) -> None:
    """A sparse raw disk with nothing on it."""
    with path.open("wb") as handle:
        handle.truncate(gibibytes << 30)


def _keep(part: Path, own: Path) -> None:
    """The image as it is now, even if it is made anew while the lab is up."""
    try:
        os.link(part, own)
    except OSError:
        shutil.copyfile(part, own)


def _seed(lab: Lab, host: Host, seed: Path, capabilities: Path) -> None:
    public = (lab.root / "key.pub").read_text()
    shutil.copytree(lab.directory(host) / "etc", seed / "etc")
    (seed / "etc" / "lab").mkdir()
    texts = {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": files.hosts_file(lab),
        "etc/machine-id": host.uuid.replace("-", "") + "\n",
        "etc/lab/authorized_keys": public,
        "etc/lab/network": _network(lab, host),
        "etc/lab/begin": _BEGIN + (_BEGIN_FAST if host.profile == "fast" else ""),
        "etc/lab/qemu.conf": libvirtconf.FAST_QEMU,
        "root/.ssh/authorized_keys": public,
        "home/nebula/.ssh/authorized_keys": public,
    }
    for name, text in texts.items():
        (seed / name).parent.mkdir(parents=True, exist_ok=True)
        (seed / name).write_text(text)
    if capabilities.exists():
        (seed / _CACHE[1:]).mkdir(parents=True)
        run(["tar", "-C", str(seed / _CACHE[1:]), "-xf", str(capabilities)])


def _network(lab: Lab, host: Host) -> str:
    inside = [" ".join(argv) for argv in network.commands_inside(lab, host)]
    entry = ["ip link set eth3 name lab0", f"ip addr add {ENTRY_ADDRESS}/24 dev lab0", "ip link set lab0 up"]
    return "\n".join([*entry, *inside, "ip link set eth2 up", ""])


def keep_capabilities(lab: Lab, host: Host, directory: Path) -> None:
    """What libvirt found out about QEMU is there for the next machines of this image."""
    kept = directory / machineimage.CAPABILITIES
    if not kept.exists():
        said = run_inside(lab, host, ["sh", "-c", f"tar -C {_CACHE} -c capabilities | base64 -w 0"])
        part = kept.with_suffix(".part")
        part.write_bytes(base64.b64decode(said))
        part.replace(kept)


_CACHE = "/var/cache/libvirt/qemu"
_BEGIN = """\
set -e
chmod 700 /root /root/.ssh /home/nebula/.ssh
chmod 600 /root/.ssh/authorized_keys /home/nebula/.ssh/authorized_keys /etc/ssh/ssh_host_ed25519_key
chown -R nebula:nebula /home/nebula
"""
_BEGIN_FAST = "cat /etc/lab/qemu.conf >>/etc/libvirt/qemu.conf\n"
