"""The lab's guest: a small bootable disk made from Debian's kernel, busybox and syslinux."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from . import guestmodules
from .run import run

GUEST = Path(__file__).resolve().parent / "guest"
KERNEL = "linux-image-amd64"  # the cloud kernel has no ahci, which a SATA CD on a q35 machine needs
COMMANDS = ("context", "context.awk", "heartbeat", "keep", "power-button", "crash")
SIZE = 64 << 20
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
    kernel = _kernel(scratch)
    initrd = scratch / "initrd.gz"
    initrd.write_bytes(gzip.compress(_initramfs(scratch, kernel), compresslevel=6, mtime=0))
    raw, qcow2 = scratch / "guest.raw", scratch / "guest.qcow2"
    _disk(raw, next((kernel / "boot").glob("vmlinuz-*")), initrd)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(qcow2)])
    for made, image in zip((raw, qcow2), images, strict=True):
        made.replace(image)


def _fingerprint() -> str:
    """Of the guest's own files and of how they are put together, so that a change in either makes a new image."""
    digest = hashlib.sha256()
    for path in [*sorted(GUEST.iterdir()), Path(__file__), Path(guestmodules.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _kernel(scratch: Path) -> Path:
    """The kernel package that Debian names now, unpacked and not installed."""
    depends = run(["apt-cache", "depends", "--no-recommends", "--no-suggests", KERNEL])
    name = re.findall(r"Depends: (linux-image-\S+)", depends)[0]
    run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", name], cwd=scratch, seconds=600)
    target = scratch / "kernel"
    run(["dpkg-deb", "-x", str(next(scratch.glob("*.deb"))), str(target)], seconds=300)
    return target


def _initramfs(scratch: Path, kernel: Path) -> bytes:
    tree = scratch / "tree"
    for name in ("bin", "modules", "www/cgi-bin"):
        (tree / name).mkdir(parents=True)
    shutil.copy2("/bin/busybox", tree / "bin" / "busybox")
    for name, target in [("init", "init"), ("keep.cgi", "www/cgi-bin/keep"), *((name, f"bin/{name}") for name in COMMANDS)]:
        shutil.copyfile(GUEST / name, tree / target)
        (tree / target).chmod(0o755)
    modules = guestmodules.in_order(next((kernel / "lib" / "modules").iterdir()))
    for name, content in modules:
        (tree / "modules" / f"{name}.ko").write_bytes(content)
    (tree / "modules" / "order").write_text("".join(f"{name}.ko\n" for name, _ in modules))
    return _cpio(tree, scratch / "initrd")


def _cpio(tree: Path, archive: Path) -> bytes:
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-F", str(archive)], stdin=names, cwd=tree)
    return archive.read_bytes()


def _disk(image: Path, kernel: Path, initrd: Path) -> None:
    """A partitioned disk without loop devices: boot partition (FAT16), and a raw one for what the guest is told to keep."""
    with image.open("wb") as handle:
        handle.truncate(SIZE)
    run(["sfdisk", "-q", str(image)], stdin=PARTITIONS)
    with image.open("r+b") as handle:
        handle.write(MBR.read_bytes())
    run(["mkfs.fat", "-F", "16", "-n", "NEBULA", "--offset", "2048", str(image), str(126976 // 2)])
    copies = {kernel: "vmlinuz", initrd: "initrd.gz", GUEST / "syslinux.cfg": "syslinux.cfg"}
    for source, name in copies.items():
        run(["mcopy", "-i", f"{image}@@1M", str(source), f"::{name}"])
    run(["syslinux", "--offset", str(2048 * 512), "--install", str(image)])
