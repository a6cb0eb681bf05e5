"""Figures of many objects as bytes: two planes of a float's upper 16 bits, so that equal exponents lie together.

A value keeps 8 binary digits (0.4 %), which is more than a mean over minutes means. Layout: ids as 32-bit integers, then for
each column the high bytes of all values, then their low bytes; all of it deflated. The format's name is the first byte.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence

FORMAT = b"\x01"
_HALF = 0x8000
"""Half of the last digit that is kept, in a float's bits: what is cut off after adding it was rounded."""
_LITTLE = sys.byteorder == "little"


def pack(ids: Sequence[int], columns: Sequence[Sequence[float]]) -> bytes:
    """`columns`: one sequence a column, each with a value an id."""
    parts = [_bytes(array("I", ids))]
    for column in columns:
        bits = array("I", array("f", column).tobytes())
        raw = _bytes(array("I", [one + _HALF for one in bits]))
        parts += [raw[3::4], raw[2::4]]
    return FORMAT + zlib.compress(b"".join(parts), 6)


def unpack(data: bytes, columns: int, wanted: Sequence[int] | None = None) -> tuple[array[int], list[array[float]]]:
    """(ids, a column each, or of those that are `wanted`); ValueError for bytes that `pack` did not write."""
    if data[:1] != FORMAT:
        raise ValueError("not a roll-up of this format")
    try:
        raw = zlib.decompress(data[1:])
    except zlib.error as error:
        raise ValueError(f"a damaged roll-up: {error}") from error
    width = 4 + 2 * columns
    count, rest = divmod(len(raw), width)
    if rest:
        raise ValueError(f"a roll-up of {len(raw)} bytes does not hold {columns} columns")
    ids = array("I")
    ids.frombytes(raw[: 4 * count])
    numbers = range(columns) if wanted is None else wanted
    return ids, [_column(raw, 4 * count + 2 * count * number, count) for number in numbers]


def _column(raw: bytes, start: int, count: int) -> array[float]:
    whole = bytearray(4 * count)
    whole[3::4] = raw[start : start + count]
    whole[2::4] = raw[start + count : start + 2 * count]
    column = array("f")
    column.frombytes(bytes(whole))
    if not _LITTLE:
        column.byteswap()
    return column


def _bytes(values: array[int] | array[float]) -> bytes:
    if not _LITTLE:
        values.byteswap()
    return values.tobytes()
