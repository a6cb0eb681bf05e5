"""Which of the kernel's modules the guest loads, in an order in which each finds what it needs."""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

WANTED = (
    "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_balloon", "ahci", "ata_piix", "sd_mod", "sr_mod",
    "isofs", "af_packet", "e1000", "e1000e", "8139cp", "evdev", "button", "pvpanic-mmio", "pvpanic-pci",
)  # fmt: skip


def in_order(kernel_modules: Path, wanted: Sequence[str] = WANTED) -> list[tuple[str, bytes]]:
    """The wanted modules that this kernel does not have built in, with all that they depend on, as name and content."""
    files = {_key(path.name.partition(".ko")[0]): path for path in kernel_modules.rglob("*.ko*")}
    built_in = {_key(Path(line).stem) for line in (kernel_modules / "modules.builtin").read_text().split()}
    found: dict[str, bytes] = {}
    for name in wanted:
        _add(_key(name), files, built_in, found)
    return list(found.items())


def _add(name: str, files: dict[str, Path], built_in: set[str], found: dict[str, bytes]) -> None:
    if name in found or name in built_in:
        return
    if name not in files:
        raise LabError(f"the kernel package has no module {name}")
    content = _content(files[name])
    for needed in _depends(content):
        _add(_key(needed), files, built_in, found)
    found[name] = content


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(content: bytes) -> list[str]:
    """The module's own `depends=` line."""
    _, found, rest = content.partition(b"\0depends=")
    return [name for name in rest.partition(b"\0")[0].decode().split(",") if name] if found else []


def _key(name: str) -> str:
    return name.replace("-", "_")
