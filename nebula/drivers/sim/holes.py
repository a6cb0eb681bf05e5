"""The bytes of simulated files without their zeros: a context CD of 64 KiB says hardly 4 KiB."""

from __future__ import annotations

import struct

_SECTOR = 2048
_MARK = b"\0holes\0"
_ZEROS = bytes(_SECTOR)
_WHOLE = struct.Struct("<Q")
_PART = struct.Struct("<QH")


def packed(data: bytes) -> bytes:
    """What is stored: small data as they are, of others the sectors that say something."""
    if len(data) <= 2 * _SECTOR and not data.startswith(_MARK):
        return data
    parts = [_MARK, _WHOLE.pack(len(data))]
    for start in range(0, len(data), _SECTOR):
        sector = data[start : start + _SECTOR]
        if sector != _ZEROS:
            said = sector.rstrip(b"\0")
            parts += (_PART.pack(start, len(said)), said)
    return b"".join(parts)


def unpacked(stored: bytes) -> bytes:
    """The data again."""
    if not stored.startswith(_MARK):
        return stored
    data = bytearray(_WHOLE.unpack_from(stored, len(_MARK))[0])
    at = len(_MARK) + _WHOLE.size
    while at < len(stored):
        start, length = _PART.unpack_from(stored, at)
        at += _PART.size
        data[start : start + length] = stored[at : at + length]
        at += length
    return bytes(data)
