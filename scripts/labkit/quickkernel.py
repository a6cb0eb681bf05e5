"""A Linux kernel for x86 that boots sooner under emulation: packed with lz4 instead of xz, by an unpacker of the lab's own.

The layout of the image and its header's fields: Linux, Documentation/arch/x86/boot.rst. lz4's legacy frames: lz4,
doc/lz4_Frame_format.md.
"""

from __future__ import annotations

import lzma
import struct
from pathlib import Path

from .errors import LabError
from .run import run

UNPACKER = Path(__file__).resolve().parent / "guest" / "unpack.S"
LOADED_AT = 0x100000
KERNEL_AT = 0x1000000
LARGEST = 0xF80000 - LOADED_AT
"""Bytes between where a boot loader puts the image and the unpacker's page tables."""
_MAGIC = bytes.fromhex("02214c18")
_SECTOR, _ELF_LOAD = 512, 1
_SETUP_SECTORS, _SYSTEM_SIZE, _CODE_START, _RELOCATABLE, _FLAGS64, _PAYLOAD, _HANDOVER = (
    0x1F1, 0x1F4, 0x214, 0x234, 0x236, 0x248, 0x264,
)  # fmt: skip


def repacked(kernel: bytes, scratch: Path) -> bytes:
    """The same kernel for BIOS boot loaders (its EFI entry is gone)."""
    real_mode = (kernel[_SETUP_SECTORS] + 1) * _SECTOR
    where, length = struct.unpack_from("<II", kernel, _PAYLOAD)
    packed = kernel[real_mode + where : real_mode + where + length]
    if not packed.startswith(b"\xfd7zXZ"):
        raise LabError("the kernel is not packed with xz", hint="look at scripts/labkit/quickkernel.py")
    flat = scratch / "kernel.flat"
    flat.write_bytes(_memory(lzma.LZMADecompressor().decompress(packed)))
    system = _unpacker(scratch) + _frames(flat)
    if len(system) > LARGEST:
        raise LabError(f"the kernel packed with lz4 has {len(system)} bytes, {LARGEST} are the most")
    system += bytes(-len(system) % 16)
    return bytes(_header(kernel[:real_mode], len(system))) + system


def _header(real_mode: bytes, size: int) -> bytearray:
    header = bytearray(real_mode)
    struct.pack_into("<I", header, _SYSTEM_SIZE, size // 16)
    struct.pack_into("<I", header, _CODE_START, LOADED_AT)
    struct.pack_into("<B", header, _RELOCATABLE, 0)
    struct.pack_into("<H", header, _FLAGS64, 0)
    struct.pack_into("<II", header, _PAYLOAD, 0, 0)
    struct.pack_into("<I", header, _HANDOVER, 0)
    return header


def _memory(elf: bytes) -> bytes:
    """What the program's segments make of the memory from KERNEL_AT on; zeros at the end (its .bss) left out."""
    first, size, count = struct.unpack_from("<Q", elf, 32)[0], *struct.unpack_from("<HH", elf, 54)
    memory = bytearray()
    for index in range(count):
        kind, _, offset, _, physical, length = struct.unpack_from("<IIQQQQ", elf, first + index * size)
        if kind == _ELF_LOAD:
            start = physical - KERNEL_AT
            memory += bytes(max(0, start + length - len(memory)))
            memory[start : start + length] = elf[offset : offset + length]
    return bytes(memory.rstrip(b"\0"))


def _frames(flat: Path) -> bytes:
    packed = flat.with_suffix(".lz4")
    run(["lz4", "-q", "-f", "-9", "-l", str(flat), str(packed)])
    return packed.read_bytes()[len(_MAGIC) :] + bytes(4)


def _unpacker(scratch: Path) -> bytes:
    linked, flat = scratch / "unpack.elf", scratch / "unpack.bin"
    assembled(UNPACKER, linked, scratch, "-Ttext", hex(LOADED_AT))
    run(["objcopy", "-O", "binary", "-j", ".text", str(linked), str(flat)])
    return flat.read_bytes()


def assembled(source: Path, program: Path, scratch: Path, *options: str) -> None:
    """Assemble one file for x86-64 and link it, with nothing else, to a program; `options` are ld's."""
    made = scratch / f"{source.stem}.o"
    run(["as", "--64", "-o", str(made), str(source)])
    run(["ld", "-s", "-m", "elf_x86_64", *options, "-o", str(program), str(made)])
