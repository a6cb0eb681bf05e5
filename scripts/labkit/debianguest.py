"""A guest of Debian's own packages, with cloud-init and QEMU's agent as Debian ships them; only its boot is the lab's."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
from pathlib import Path

from . import guestmodules, images
from .run import run

GUEST = Path(__file__).resolve().parent / "debian_guest"
SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv", "udev", "dbus", "cloud-init", "sudo", "qemu-guest-agent", "openssh-server", "ifupdown",
    "resolvconf", "iproute2", "kmod",
)  # fmt: skip
MODULES = (*guestmodules.WANTED, "crc32c_generic", "ext4", "virtio_console", "virtio_rng", "ipv6", "af_packet")
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
NOT_STARTED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "fstrim.timer", "man-db.timer",
)  # fmt: skip
"""What would only use up an emulated processor."""
SIZE = 1 << 30
ROOT_AT = 129024 * 512
PARTITIONS = "label: dos\n start=2048,size=126976,type=6,bootable\n start=129024,type=83\n"


def build(directory: Path, *, force: bool = False) -> Path:
    """Make debian.qcow2 in `directory` unless it is there already, made from the same sources."""
    image, stamp, wanted = directory / "debian.qcow2", directory / "debian-stamp", _fingerprint()
    if not force and stamp.exists() and stamp.read_text() == wanted and image.exists():
        return image
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        _make(Path(scratch)).replace(image)
    stamp.write_text(wanted)
    return image


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in [*sorted(GUEST.iterdir()), *images.MADE_BY, Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _make(scratch: Path) -> Path:
    root = _root(scratch / "debian")
    kernel = images.kernel(scratch)
    initrd = scratch / "initrd.gz"
    initrd.write_bytes(gzip.compress(_initramfs(scratch, kernel), compresslevel=6, mtime=0))
    raw, qcow2 = scratch / "debian.raw", scratch / "debian.qcow2"
    images.partition(raw, SIZE, PARTITIONS)
    run(["mke2fs", "-q", "-t", "ext4", "-L", "nebula-root", "-E", f"offset={ROOT_AT}", "-d", str(root), str(raw),
         f"{(SIZE - ROOT_AT) >> 10}k"], seconds=600)  # fmt: skip
    files = {"vmlinuz": images.quick_kernel(kernel, scratch), "initrd.gz": initrd, "syslinux.cfg": GUEST / "syslinux.cfg"}
    images.make_bootable(raw, files)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", str(raw), str(qcow2)], seconds=600)
    return qcow2


def _root(root: Path) -> Path:
    """Debian's packages as they are, without keys that every guest would share."""
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    argv = ["mmdebstrap", "--mode=root", "--format=directory", "--variant=minbase", "--aptopt=Apt::Install-Recommends false"]
    run([*argv, *options, f"--include={','.join(PACKAGES)}", SUITE, str(root)], seconds=1500)
    for pattern in ("etc/ssh/ssh_host_*", "var/cache/apt/*.bin", "var/lib/apt/lists/*", "var/log/*.log"):
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for unit in NOT_STARTED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    (root / "etc/fstab").write_text("LABEL=nebula-root / ext4 defaults 0 1\n")
    (root / "etc/hostname").write_text("nobody-named-me\n")
    return root


def _initramfs(scratch: Path, kernel: Path) -> bytes:
    tree = scratch / "tree"
    for name in ("bin", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy2("/bin/busybox", tree / "bin" / "busybox")
    shutil.copyfile(GUEST / "init", tree / "init")
    (tree / "init").chmod(0o755)
    modules = guestmodules.in_order(next((kernel / "lib" / "modules").iterdir()), MODULES)
    for name, content in modules:
        (tree / "modules" / f"{name}.ko").write_bytes(content)
    (tree / "modules" / "order").write_text("".join(f"{name}.ko\n" for name, _ in modules))
    return images.cpio(tree, scratch / "initrd")
