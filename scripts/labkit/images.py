"""The lab's guest: a small disk that BIOS (syslinux) and UEFI (systemd-boot) boot: Debian's kernel and busybox."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import guestmodules, quickkernel
from .run import run

GUEST = Path(__file__).resolve().parent / "guest"
KERNEL = "linux-image-amd64"  # the cloud kernel has no ahci, which a SATA CD on a q35 machine needs
PLACED = (
    ("init", "init"), ("passwd", "etc/passwd"), ("index.cgi", "www/cgi-bin/index.cgi"), ("keep.cgi", "www/cgi-bin/keep"),
    ("burn.cgi", "www/cgi-bin/burn"), ("resolve.cgi", "www/cgi-bin/resolve"), ("bulk.cgi", "www/cgi-bin/bulk"),
    ("reach.cgi", "www/cgi-bin/reach"),
)  # fmt: skip
"""Files of the guest and where they go."""
COMMANDS = ("context", "context.awk", "crash", "drivers", "heartbeat", "keep", "lease", "power-button")
RESTLESS = GUEST / "restless.S"
SSHD = ("dropbear-bin", "libtomcrypt1", "libtommath1", "libgmp10", "libcrypt1", "zlib1g", "libc6")
"""Packages of which the guest's sshd is made."""
SSHD_FILES = (
    "dropbear", "libtomcrypt.so.1", "libtommath.so.1", "libgmp.so.10", "libcrypt.so.1", "libz.so.1", "libc.so.6",
    "ld-linux-x86-64.so.2",
)  # fmt: skip
UEFI_LOADER = "systemd-boot-efi"
"""The package; without a loader UEFI asks the network for a minute before its shell's script has a turn."""
UEFI_ENTRY = "loader/entries/nebula.conf"
SIZE = 64 << 20
MADE_BY = tuple(Path(__file__).with_name(name) for name in ("images.py", "guestmodules.py", "quickkernel.py"))
MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
PARTITIONS = "label: dos\n start=2048,size=126976,type=6,bootable\n start=129024,size=2048,type=da\n"


def build(directory: Path, *, force: bool = False) -> list[Path]:
    """Make guest.raw and guest.qcow2 in `directory` unless they are there already, made from the same sources."""
    images = [directory / "guest.raw", directory / "guest.qcow2"]
    stamp, wanted = directory / "stamp", _fingerprint()
    if not force and stamp.exists() and stamp.read_text() == wanted and all(path.exists() for path in images):
        return images
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        _make(Path(scratch), images)
    stamp.write_text(wanted)
    return images


def _make(scratch: Path, images: list[Path]) -> None:
    unpacked = kernel(scratch)
    initrd = scratch / "initrd.gz"
    initrd.write_bytes(gzip.compress(_initramfs(scratch, unpacked), compresslevel=6, mtime=0))
    raw, qcow2 = scratch / "guest.raw", scratch / "guest.qcow2"
    loader = _unpacked(scratch, "uefi", UEFI_LOADER) / "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
    bios, uefi = quick_kernel(unpacked, scratch), _vmlinuz(unpacked)
    files = {"vmlinuz": bios, "vmlinuz.efi": uefi, "initrd.gz": initrd, "EFI/BOOT/BOOTX64.EFI": loader}
    _disk(raw, files)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2)])
    for made, image in zip((raw, qcow2), images, strict=True):
        made.replace(image)


def _fingerprint() -> str:
    """Of the guest's own files and of how they are put together, so that a change in either makes a new image."""
    digest = hashlib.sha256()
    for path in [*sorted(GUEST.iterdir()), *MADE_BY]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def kernel(scratch: Path) -> Path:
    """The kernel package that Debian names now, unpacked and not installed."""
    depends = run(["apt-cache", "depends", "--no-recommends", "--no-suggests", KERNEL])
    name = re.findall(r"Depends: (linux-image-\S+)", depends)[0]
    return _unpacked(scratch, "kernel", name)


def quick_kernel(unpacked: Path, scratch: Path) -> Path:
    """The unpacked package's kernel as BIOS boots it here; UEFI needs the package's own."""
    made = scratch / "vmlinuz"
    made.write_bytes(quickkernel.repacked(_vmlinuz(unpacked).read_bytes(), scratch))
    return made


def _vmlinuz(unpacked: Path) -> Path:
    return next((unpacked / "boot").glob("vmlinuz-*"))


def _unpacked(scratch: Path, directory: str, *packages: str) -> Path:
    """Packages as Debian has them now, unpacked into a directory and not installed."""
    target = scratch / directory
    target.mkdir()
    run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages], cwd=target, seconds=600)
    for package in target.glob("*.deb"):
        run(["dpkg-deb", "-x", str(package), str(target)], seconds=300)
    return target


def _sshd(tree: Path, packages: Path) -> None:
    """dropbear, with the libraries that it asks for where they are looked for; none of them this machine's own."""
    inside = packages.resolve()
    for name in SSHD_FILES:
        folder = "bin" if name == "dropbear" else "lib64" if name.startswith("ld-") else "lib"
        (tree / folder).mkdir(exist_ok=True)
        found = next(path for path in inside.rglob(name) if path.is_file() and path.resolve().is_relative_to(inside))
        shutil.copy2(found, tree / folder / name)
    for name in ("root", "etc/dropbear", "var/run"):
        (tree / name).mkdir(parents=True, exist_ok=True)


def _initramfs(scratch: Path, kernel: Path) -> bytes:
    tree = scratch / "tree"
    for name in ("bin", "dev", "etc", "mnt", "proc", "run", "sys", "tmp", "www/cgi-bin", "www/context"):
        (tree / name).mkdir(parents=True)
    _busybox(tree)
    for name, target in [*PLACED, *((name, f"bin/{name}") for name in COMMANDS)]:
        shutil.copyfile(GUEST / name, tree / target)
        (tree / target).chmod(0o755)
    _sshd(tree, _unpacked(scratch, "sshd", *SSHD))
    quickkernel.assembled(RESTLESS, tree / "bin" / "restless", scratch)
    _modules(tree, next((kernel / "lib" / "modules").iterdir()))
    return cpio(tree, scratch / "initrd")


def _busybox(tree: Path) -> None:
    """The names of busybox's commands but those that the guest has of its own."""
    shutil.copy2("/bin/busybox", tree / "bin" / "busybox")
    for name in run(["/bin/busybox", "--list"]).split():
        if name != "busybox" and name not in COMMANDS:
            (tree / "bin" / name).symlink_to("busybox")


def _modules(tree: Path, kernel_modules: Path) -> None:
    """Modules where modprobe looks for them, and its tables of what needs what and which device asks for which."""
    target = tree / "lib" / "modules" / kernel_modules.name
    target.mkdir(parents=True)
    for name, content in guestmodules.in_order(kernel_modules):
        (target / f"{name}.ko").write_bytes(content)
    run(["/bin/busybox", "depmod", "-b", str(tree), kernel_modules.name])
    (target / "modules.symbols").unlink()


def cpio(tree: Path, archive: Path) -> bytes:
    """The tree as an archive that Linux takes for its first root."""
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-F", str(archive)], stdin=names, cwd=tree)
    return archive.read_bytes()


def _disk(image: Path, files: Mapping[str, Path]) -> None:
    """A partitioned disk without loop devices: boot partition (FAT16), and a raw one for what the guest is told to keep."""
    partition(image, SIZE, PARTITIONS)
    make_bootable(image, {**files, "syslinux.cfg": GUEST / "syslinux.cfg", UEFI_ENTRY: GUEST / "uefi.conf"})


def partition(image: Path, size: int, table: str) -> None:
    """An empty disk of `size` bytes with that table of partitions (sfdisk's words), which starts what is in the active one."""
    with image.open("wb") as handle:
        handle.truncate(size)
    run(["sfdisk", "-q", str(image)], stdin=table)
    with image.open("r+b") as handle:
        handle.write(MBR.read_bytes())


def make_bootable(image: Path, files: Mapping[str, Path]) -> None:
    """Fill the first partition, 62 MiB from 1 MiB on, with files by path: syslinux.cfg and what it names."""
    run(["mkfs.fat", "-F", "16", "-n", "NEBULA", "--offset", "2048", str(image), str(126976 // 2)])
    folders = {parent.as_posix() for name in files for parent in Path(name).parents} - {"."}
    for folder in sorted(folders):
        run(["mmd", "-i", f"{image}@@1M", f"::{folder}"])
    for name, source in files.items():
        run(["mcopy", "-i", f"{image}@@1M", str(source), f"::{name}"])
    run(["syslinux", "--offset", str(2048 * 512), "--install", str(image)])
