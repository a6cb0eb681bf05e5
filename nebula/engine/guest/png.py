"""A picture as a PNG."""

from __future__ import annotations

import re
import struct
import zlib

from nebula.errors import NebulaError
from nebula.model.guest import Picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXMAP = re.compile(rb"P6\s+(?:#[^\n]*\s+)*([0-9]{1,5})\s+([0-9]{1,5})\s+255\s", re.DOTALL)
_COLOUR = 2
"""Red, green and blue, without transparency."""


def png_of(picture: Picture) -> bytes:
    """The picture as a PNG; NebulaError for a pixmap that is none. One that is a PNG already stays as it is."""
    if picture.data.startswith(_SIGNATURE):
        return picture.data
    head = _PIXMAP.match(picture.data)
    if head is None:
        raise NebulaError(
            "the hypervisor gave a picture of a form that nobody knows", cause=f"{picture.type}: {picture.data[:20]!r}"
        )
    width, height = int(head[1]), int(head[2])
    pixels = memoryview(picture.data)[head.end() :]
    if not width or not height or len(pixels) < width * height * 3:
        raise NebulaError("the hypervisor gave half a picture", cause=f"{len(pixels)} bytes of {width} × {height}")
    row = width * 3
    lines = b"".join(b"\0" + pixels[start : start + row] for start in range(0, row * height, row))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
