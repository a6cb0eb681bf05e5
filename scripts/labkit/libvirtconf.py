"""libvirt's files on a host, for its profile.

`fast`: QEMU as root, no security driver, no namespaces, no control groups: quick, and hides mistakes about ownership.
`stock`: Debian's own qemu.conf, untouched. Only libvirtd.conf differs there, by what namespaces on one machine force:
`host_uuid` (all hosts share the machine's own), and `auth_unix_rw` (polkit needs a system bus; the socket's group stays).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .run import run
from .spec import Host

MACHINE_ETC = Path("/etc/libvirt")
MACHINE_LIB = Path("/var/lib/libvirt")


def build(base: Path, host: Host) -> None:
    """Fill the host's /etc/libvirt and /var/lib/libvirt."""
    etc = base / "etc-libvirt"
    for path in MACHINE_ETC.glob("*.conf"):
        shutil.copy2(path, etc / path.name)
    for name in ("hooks", "nwfilter"):
        shutil.copytree(MACHINE_ETC / name, etc / name)
    _default_network(etc)
    _directories(base / "lib-libvirt")
    (base / "log-libvirt" / "qemu").mkdir()
    _add(etc / "libvirtd.conf", _LIBVIRTD.format(uuid=host.uuid))
    if host.profile == "fast":
        _add(etc / "qemu.conf", FAST_QEMU)


def _default_network(etc: Path) -> None:
    """Debian's `default` network as packaged: defined, not started."""
    networks = etc / "qemu" / "networks"
    networks.mkdir(parents=True)
    packaged = MACHINE_ETC / "qemu" / "networks" / "default.xml"
    if packaged.exists():
        shutil.copy2(packaged, networks / packaged.name)


def _directories(target: Path) -> None:
    """The packages' empty directories with their owners and modes; none of the machine's own domains or disks."""
    for name in ("boot", "images", "qemu", "qemu/channel", "qemu/channel/target"):
        source = MACHINE_LIB / name
        if source.is_dir():
            (target / name).mkdir()
            run(["chown", f"--reference={source}", str(target / name)])
            run(["chmod", f"--reference={source}", str(target / name)])


def _add(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n{text}")


_LIBVIRTD = """\
host_uuid = "{uuid}"
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_rw = "none"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""

FAST_QEMU = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
"""
