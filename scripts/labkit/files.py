"""A host's own files: /etc, /root, /home, /usr/local/bin, libvirt's directories, and the disk behind /var/lib/nebula."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from . import accounts, cgroup, libvirtconf, lxcfs
from .run import run
from .spec import Host, Lab

OWN = {
    "etc": "/etc",
    "root": "/root",
    "home": "/home",
    "srv": "/srv",
    "local-bin": "/usr/local/bin",
    "etc-libvirt": "/etc/libvirt",
    "lib-libvirt": "/var/lib/libvirt",
    "log-libvirt": "/var/log/libvirt",
    "cache-libvirt": "/var/cache/libvirt",
}
SHARED = "/srv/nebula-shared"


def build(lab: Lab, host: Host) -> None:
    """Make everything that `host` keeps over a power cut."""
    base = lab.directory(host)
    for name in (*(n for n in OWN if n != "etc"), "tmp", "var-lib", "var-lib-work", "run"):
        (base / name).mkdir(parents=True)
    (base / "root").chmod(0o700)
    (base / "tmp").chmod(0o1777)
    (base / "srv" / Path(SHARED).name).mkdir()
    shutil.copytree("/etc", base / "etc", symlinks=True, copy_function=_copy_with_owner)
    _etc(lab, host, base / "etc")
    accounts.build(base, (lab.root / "key.pub").read_text())
    libvirtconf.build(base, host)
    disk(base / "nebula.img", lab.options.disk)
    (base / "plan.json").write_text(json.dumps(_plan(lab, host, base)))


def hosts_file(lab: Lab) -> str:
    """The /etc/hosts of every host."""
    lines = ["127.0.0.1 localhost", f"{lab.gateway()} frontend"]
    return "\n".join(lines + [f"{lab.address(host)} {host.name}" for host in lab.hosts]) + "\n"


def _etc(lab: Lab, host: Host, etc: Path) -> None:
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(hosts_file(lab))
    (etc / "machine-id").unlink(missing_ok=True)
    (etc / "machine-id").write_text(host.uuid.replace("-", "") + "\n")
    shutil.rmtree(etc / "libvirt", ignore_errors=True)
    shutil.rmtree(etc / "ssh", ignore_errors=True)
    (etc / "ssh").mkdir()
    (etc / "libvirt").mkdir()
    key = etc / "ssh" / "ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", str(key)])
    (etc / "ssh" / "sshd_config").write_text(_SSHD_CONFIG)


def disk(path: Path, gibibytes: int) -> None:
    """A sparse ext4 image: full when its size says so, however much room the machine has."""
    with path.open("wb") as image:
        image.truncate(gibibytes << 30)
    run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(path)])


def _plan(lab: Lab, host: Host, base: Path) -> dict[str, object]:
    """What the host's first process is to mount."""
    own = [[str(base / name), target] for name, target in OWN.items()]
    return {
        "name": host.name,
        "binds": [*own, [str(lab.root / "shared"), SHARED]],
        "var_lib": f"lowerdir=/var/lib,upperdir={base / 'var-lib'},workdir={base / 'var-lib-work'}",
        "disk": str(base / "nebula.img"),
        "tmp": str(base / "tmp"),
        "controllers": [path.parent.parent.name for path in cgroup.paths(lab, host)] if not cgroup.unified() else [],
        "proc": lxcfs.binds(lab),
    }


def _copy_with_owner(source: str, target: str) -> str:
    shutil.copy2(source, target)
    status = Path(source).stat()
    os.chown(target, status.st_uid, status.st_gid)
    return target


_SSHD_CONFIG = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
UsePAM no
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
