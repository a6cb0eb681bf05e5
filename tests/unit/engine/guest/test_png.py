"""Pictures as PNGs, read back by their own rules."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebula.engine.guest.png import png_of
from nebula.errors import NebulaError
from nebula.model.guest import Picture


def pixmap(data: bytes) -> Picture:
    return Picture(type="image/x-portable-pixmap", data=data)


def read(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels of a PNG without filters."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        body = png[at + 4 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(body)
        chunks[body[:4]] = body[4:]
        at += 12 + size
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    assert chunks[b"IEND"] == b""
    lines = zlib.decompress(chunks[b"IDAT"])
    rows = [lines[start : start + width * 3 + 1] for start in range(0, len(lines), width * 3 + 1)]
    assert all(row[0] == 0 for row in rows)
    return width, height, b"".join(row[1:] for row in rows)


@given(st.data())
def test_every_pixel_stays(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    pixels = data.draw(st.binary(min_size=width * height * 3, max_size=width * height * 3))
    picture = pixmap(f"P6\n# a screen\n{width} {height}\n255\n".encode() + pixels)
    assert read(png_of(picture)) == (width, height, pixels)


def test_a_png_stays_as_it_is() -> None:
    png = png_of(pixmap(b"P6 1 1 255 abc"))
    assert png_of(Picture(type="image/png", data=png)) == png


@pytest.mark.parametrize("data", [b"", b"P5 1 1 255 a", b"P6 2 2 255 abc", b"P6 0 1 255 ", b"P6 1 1 65535 abcabc"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NebulaError):
        png_of(pixmap(data))
