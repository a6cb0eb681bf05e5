"""The root file system of the lab's machines: Debian's packages of a KVM host, made once and kept under overlays."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import accounts, guestmodules, images
from .run import run

SOURCES = Path(__file__).resolve().parent / "machine"
SUITE = "bookworm"
PACKAGES = (
    "linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "openssh-server", "sudo", "iproute2", "kmod", "procps",
    "libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86", "qemu-utils",
    "qemu-block-extra", "lvm2", "thin-provisioning-tools", "lvm2-lockd", "sanlock", "nftables", "iptables", "ipset",
    "openvswitch-switch", "nfs-kernel-server", "nfs-common", "open-iscsi", "multipath-tools", "tgt", "targetcli-fb",
    "genisoimage", "rsync", "restic", "dnsmasq-base", "frr", "e2fsprogs", "ethtool", "tcpdump", "iputils-ping",
)  # fmt: skip
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "virtio_rng", "sd_mod", "crc32c_generic", "ext4")
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
STARTED = ("lab-network.service", "lab-sshd.service")
NOT_STARTED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "systemd-timesyncd.service", "getty@tty1.service", "serial-getty@ttyS0.service",
    "systemd-update-utmp.service", "systemd-random-seed.service", "ldconfig.service", "console-getty.service",
    "systemd-journal-flush.service", "systemd-pstore.service", "keyboard-setup.service", "modprobe@drm.service",
    "libvirt-guests.service", "systemd-binfmt.service", "systemd-logind.service", "systemd-initctl.socket", "uuidd.socket",
    "logrotate.timer", "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "proc-sys-fs-binfmt_misc.automount",
)  # fmt: skip
"""What would only use up an emulated processor: masked."""
ON_DEMAND = (
    "frr.service", "openvswitch-switch.service", "nfs-server.service", "rpcbind.service", "rpcbind.socket", "nfs-client.target",
    "nfs-blkmap.service", "iscsid.socket", "open-iscsi.service", "multipathd.service", "multipathd.socket",
    "multipath-tools.service", "tgt.service", "rtslib-fb-targetctl.service", "sanlock.service", "wdmd.service",
    "lvmlockd.service", "lvmlocks.service", "remote-fs.target", "nftables.service", "netfilter-persistent.service",
    "lvm2-monitor.service", "lvm2-lvmpolld.socket", "blk-availability.service",
)  # fmt: skip
"""What a host has installed and a test starts, as an administrator would: disabled."""
SIZE = 6 << 30
CAPABILITIES = "machine-capabilities.tar"
"""Beside the image: what libvirt found out about its QEMU at the first boot, which takes it a minute under emulation."""


@dataclass(frozen=True)
class MachineImage:
    """The three files a machine boots from."""

    root: Path
    kernel: Path
    initrd: Path


def build(directory: Path, *, force: bool = False) -> MachineImage:
    """Make the image in `directory` unless it is there already, made from the same sources."""
    image = MachineImage(directory / "machine.raw", directory / "machine.vmlinuz", directory / "machine.initrd")
    parts = (image.root, image.kernel, image.initrd)
    stamp, wanted = directory / "machine-stamp", _fingerprint()
    if not force and stamp.exists() and stamp.read_text() == wanted and all(path.exists() for path in parts):
        return image
    directory.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    (directory / CAPABILITIES).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        for made, part in zip(_make(Path(scratch)), parts, strict=True):
            made.replace(part)
    stamp.write_text(wanted)
    return image


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in [*sorted(SOURCES.iterdir()), *images.MADE_BY, Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make(scratch: Path) -> tuple[Path, Path, Path]:
    root = _root(scratch / "root")
    kernel, initrd, raw = scratch / "vmlinuz", scratch / "initrd", scratch / "machine.raw"
    next((root / "boot").glob("vmlinuz-*")).rename(kernel)  # the cloud kernel is packed with lz4 already
    initrd.write_bytes(_initramfs(scratch, next((root / "lib" / "modules").iterdir())))
    for path in (root / "boot").iterdir():
        path.unlink()
    with raw.open("wb") as handle:
        handle.truncate(SIZE)
    run(["mke2fs", "-q", "-t", "ext4", "-L", "lab-machine", "-d", str(root), str(raw)], seconds=900)
    return raw, kernel, initrd


def _root(root: Path) -> Path:
    """Debian's packages as they are, and the lab's own services; apt's mirrors are those that this machine reaches."""
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv = ["mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", "--aptopt=Apt::Install-Recommends false"]
    run([*argv, *options, f"--include={','.join(PACKAGES)}", SUITE, str(root)], seconds=1800)
    for pattern in ("etc/ssh/ssh_host_*", "var/cache/apt/*.bin", "var/lib/apt/lists/*", "var/log/*.log", "etc/machine-id"):
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _units(root)
    _account(root)
    (root / "etc" / "fstab").write_text("")
    (root / "var" / "lib" / "nebula").mkdir()
    return root


def _units(root: Path) -> None:
    (root / "etc" / "lab").mkdir()
    shutil.copyfile(SOURCES / "sshd_config", root / "etc" / "lab" / "sshd_config")
    units = root / "etc" / "systemd" / "system"
    for name in STARTED:
        shutil.copyfile(SOURCES / name, units / name)
    for name in NOT_STARTED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    present = [name for name in ON_DEMAND if (root / "lib/systemd/system" / name).exists()]
    run(["systemctl", f"--root={root}", "disable", *present])
    run(["systemctl", f"--root={root}", "enable", *STARTED])
    run(["systemctl", f"--root={root}", "set-default", "multi-user.target"])
    (root / "etc/modules-load.d/lab.conf").write_text("kvm_amd\n")  # emulated, and still quicker than emulation in emulation
    (root / "etc/default/libvirtd").write_text("LIBVIRTD_ARGS=\n")  # it would end after two idle minutes


def _account(root: Path) -> None:
    """The user who becomes root through sudo, as the lab's other hosts have it."""
    words = ["useradd", "--create-home", "--shell", "/bin/bash", "--groups", "libvirt"]
    run(["chroot", str(root), *words, accounts.USER])
    rule = root / "etc" / "sudoers.d" / accounts.USER
    rule.write_text(accounts.RULE)
    rule.chmod(0o440)


def _initramfs(scratch: Path, kernel_modules: Path) -> bytes:
    tree = scratch / "tree"
    for name in ("bin", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy2("/bin/busybox", tree / "bin" / "busybox")
    shutil.copyfile(SOURCES / "init", tree / "init")
    (tree / "init").chmod(0o755)
    modules = guestmodules.in_order(kernel_modules, MODULES)
    for name, content in modules:
        (tree / "modules" / f"{name}.ko").write_bytes(content)
    (tree / "modules" / "order").write_text("".join(f"{name}.ko\n" for name, _ in modules))
    return images.cpio(tree, scratch / "initrd.cpio")
