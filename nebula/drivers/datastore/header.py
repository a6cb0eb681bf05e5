"""What the first bytes of an untrusted file say, read by ourselves before any tool opens it.

qemu-img, left to guess, would believe a header that a guest wrote; and given the format, would still follow the names of
other files in it. So the format comes from the magic bytes, and a qcow2 header that names another file is refused here.
"""

from __future__ import annotations

import struct

from nebula.errors import ImageError
from nebula.model.storage import Format

HEAD_BYTES = 65536
"""How much of the file `examine` wants."""
MAX_VIRTUAL_SIZE = 64 << 40
"""64 TiB; nobody's disk, but what a lying header claims."""
LUKS = b"LUKS\xba\xbe"
"""How an encrypted volume begins; to everybody but its key's holder it is raw."""

_QCOW2 = b"QFI\xfb"
_FOREIGN = (
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0, b"QED\0", "qed"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
)
_PACKED = (
    (b"\xfd7zXZ\0", "xz -d"),
    (b"\x1f\x8b", "gzip -d"),
    (b"\x28\xb5\x2f\xfd", "zstd -d"),
    (b"BZh", "bzip2 -d"),
    (b"PK\x03\x04", "unzip"),
)
_CORRUPT_BIT, _DATA_FILE_BIT, _KNOWN_BITS = 1 << 1, 1 << 2, 0b11111
_DATA_FILE_EXTENSION = 0x44415441
_CRYPTO_EXTENSION = 0x0537BE77


def examine(head: bytes, path: str) -> Format:
    """The file's format by its magic bytes. Raises ImageError where it is one that we do not take, or a qcow2 whose header
    refers to other files, is encrypted, marked corrupt, or absurd.
    """
    if head.startswith(_QCOW2):
        _examine_qcow2(head, path)
        return "qcow2"
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            hint = f"convert first: qemu-img convert -f {name} -O qcow2 {path} converted.qcow2"
            raise ImageError(f"{path} is a {name} image; Nebula takes qcow2 and raw", hint=hint)
    for magic, tool in _PACKED:
        if head.startswith(magic):
            raise ImageError(f"{path} is compressed", cause="an image must be unpacked first", hint=f"{tool} {path}")
    return "raw"


def _examine_qcow2(head: bytes, path: str) -> None:
    if len(head) < 72:
        raise _refusal(path, "its header is cut short")
    (version, backing_offset, _, cluster_bits, size, encryption) = struct.unpack_from(">IQIIQI", head, 4)
    if version not in (2, 3):
        raise _refusal(path, f"its version is {version}; 2 and 3 are known")
    if backing_offset:
        raise _refusal(path, "it has a backing file, so part of its content lies elsewhere", flatten=True)
    if not 9 <= cluster_bits <= 21:
        raise _refusal(path, f"its cluster size is 2^{cluster_bits}; 2^9 to 2^21 are possible")
    if size > MAX_VIRTUAL_SIZE:
        raise _refusal(path, f"it claims a size of {size} bytes, more than 64 TiB")
    if encryption:
        raise _refusal(path, "it is encrypted")
    _examine_extensions(head, path, version)


def _examine_extensions(head: bytes, path: str, version: int) -> None:
    if version == 2:
        start = 72
    elif len(head) < 104:
        raise _refusal(path, "its header is cut short")
    else:
        features, start = struct.unpack_from(">Q", head, 72)[0], struct.unpack_from(">I", head, 100)[0]
        _examine_features(features, path)
    seen = set(_extension_kinds(head, start))
    if _DATA_FILE_EXTENSION in seen:
        raise _refusal(path, "it names an external data file", flatten=True)
    if _CRYPTO_EXTENSION in seen:
        raise _refusal(path, "it is encrypted")


def _examine_features(features: int, path: str) -> None:
    if features & _DATA_FILE_BIT:
        raise _refusal(path, "its data lies in another file", flatten=True)
    if features & _CORRUPT_BIT:
        raise _refusal(path, "it is marked corrupt")
    if features & ~_KNOWN_BITS:
        raise _refusal(path, f"it uses unknown features ({features:#x})")


def _extension_kinds(head: bytes, start: int) -> list[int]:
    kinds: list[int] = []
    while start + 8 <= len(head):
        kind, length = struct.unpack_from(">II", head, start)
        if kind == 0:
            break
        kinds.append(kind)
        start += 8 + (length + 7) // 8 * 8
    return kinds


def _refusal(path: str, why: str, *, flatten: bool = False) -> ImageError:
    hint = f"qemu-img convert -O qcow2 {path} whole.qcow2" if flatten else f"qemu-img check -f qcow2 {path}"
    return ImageError(f"{path} is not taken as a qcow2 image", cause=why, hint=hint)
