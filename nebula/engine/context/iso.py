"""The context CD: ISO 9660 with Rock Ridge and Joliet, labelled CONTEXT, the same bytes for the same files and date."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from nebula.errors import UsageError

MAX_ISO = 64 << 20
"""Bytes of content at most: the CD is built in memory and written anew at each start."""
MAX_FILES = 1000
_SMALL = 256 << 10
"""Bytes of content up to which a prepared image is kept."""
LABEL = "CONTEXT"
_FILE_NAME = re.compile(r"[^/\0*:;?\\]{1,64}")
_READABLE = 0o100444
_SECTOR = 2048
_FIRST_DESCRIPTOR = 16 * _SECTOR
_LAST_DESCRIPTOR = 255
"""The type byte that ends the volume descriptors."""
_DESCRIPTOR_DATES = (813, 830, 864)
"""Offsets of the dates of creation, modification and effect (ECMA-119, 8.4)."""


def build_iso(files: Mapping[str, bytes], *, made: float = 0.0) -> bytes:
    """An ISO image with these files (flat, by name) in its root directory.

    `made`: seconds since the epoch, the only date in the image. UsageError for names that cannot be on it, and for more
    than `MAX_ISO` bytes or `MAX_FILES` files.
    """
    _check(files)
    ordered = sorted(files.items())
    layout = tuple((name, len(data)) for name, data in ordered)
    blank = _kept(layout) if sum(map(len, files.values())) <= _SMALL else _blank(layout)
    image = bytearray(blank.image)
    for start, (_, data) in zip(blank.contents, ordered, strict=True):
        image[start : start + len(data)] = data
    date = datetime.fromtimestamp(made, UTC)
    for marker, value in ((_MARKED_ENTRY, _entry_date(date)), (_MARKED_VOLUME, _volume_date(date))):
        for start in blank.dates[marker]:
            image[start : start + len(value)] = value
    return bytes(image)


class _Blank(NamedTuple):
    """An image whose files are all zeros, where their contents go, and where each form of its one date stands."""

    image: bytes
    contents: tuple[int, ...]
    dates: Mapping[bytes, tuple[int, ...]]


Layout = tuple[tuple[str, int], ...]
"""Names and lengths of files, by name."""


def _blank(files: Layout) -> _Blank:
    """The image for files of those names and lengths."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL, sys_ident="LINUX")
    for number, (name, size) in enumerate(files):
        iso.add_fp(
            io.BytesIO(bytes(size)), size, _plain_name(number, name), rr_name=name, joliet_path=f"/{name}", file_mode=_READABLE
        )
    _date_entries(iso, _MARK)
    written = io.BytesIO()
    iso.write_fp(written)
    contents = tuple(_content_at(iso, name) for name, _ in files)
    iso.close()
    image = bytearray(written.getvalue())
    _date_volume(image, _MARK)
    return _Blank(bytes(image), contents, {marker: _places(image, marker) for marker in (_MARKED_ENTRY, _MARKED_VOLUME)})


_kept = lru_cache(maxsize=32)(_blank)
"""VMs differ in what their context says, hardly in how long it is, and the library takes thirty times as long as filling in."""


def _content_at(iso: Any, name: str) -> int:
    """Where the file's first byte is, once the image is written."""
    at: int = iso.get_record(joliet_path=f"/{name}").extent_location()
    return at * _SECTOR


def _places(image: bytes | bytearray, marker: bytes) -> tuple[int, ...]:
    return tuple(found.start() for found in re.finditer(re.escape(marker), image))


def _plain_name(number: int, name: str) -> str:
    """The name for readers that know neither Rock Ridge nor Joliet."""
    return "/CONTEXT.SH;1" if name == "context.sh" else f"/F{number:07d}.;1"


def _check(files: Mapping[str, bytes]) -> None:
    if len(files) > MAX_FILES:
        raise UsageError(f"a context CD holds {MAX_FILES} files, not {len(files)}", hint="put them into one archive")
    size = sum(map(len, files.values()))
    if size > MAX_ISO:
        raise UsageError(
            f"the context CD's files have {size} bytes, more than {MAX_ISO}", hint="put them on an image of their own"
        )
    folded: dict[str, str] = {}
    for name in files:
        _check_file_name(name)
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise UsageError(f"{name!r} and {other!r} differ only in case, which guests may not see", hint="rename one of them")


def _check_file_name(name: str) -> None:
    # Joliet counts UTF-16 units and Rock Ridge bytes: within the basic plane both stay in bounds.
    if not _FILE_NAME.fullmatch(name) or name in {".", ".."} or not name.isprintable() or max(name) > "\uffff":
        raise UsageError(
            f"{name!r} cannot be a file's name on the context CD", hint="use up to 64 letters, digits, dots and hyphens"
        )


def _entry_date(made: datetime) -> bytes:
    """As directory entries have it (ECMA-119, 9.1.5)."""
    return struct.pack("7B", made.year - 1900, made.month, made.day, made.hour, made.minute, made.second, 0)


def _volume_date(made: datetime) -> bytes:
    """As volume descriptors have it (ECMA-119, 8.4.26.1)."""
    return made.strftime("%Y%m%d%H%M%S00").encode() + b"\0"


_MARK = datetime(2099, 11, 29, 23, 58, 57, tzinfo=UTC)
"""A date whose bytes are nowhere else in a blank image."""
_MARKED_ENTRY, _MARKED_VOLUME = _entry_date(_MARK), _volume_date(_MARK)


def _date_entries(iso: Any, made: datetime) -> None:
    """Put one date wherever the library put the present one."""
    record = _entry_date(made)
    for descriptor in (iso.pvd, iso.joliet_vd):
        root = descriptor.root_directory_record()
        for entry in (root, *root.children):
            _date_entry(entry, record)


def _date_volume(image: bytearray, made: datetime) -> None:
    """Likewise in the volume descriptors, which the library dates while it writes."""
    date = _volume_date(made)
    start = _FIRST_DESCRIPTOR
    while image[start] != _LAST_DESCRIPTOR:
        for offset in _DESCRIPTOR_DATES:
            image[start + offset : start + offset + len(date)] = date
        start += _SECTOR


def _date_entry(entry: Any, record: bytes) -> None:
    entry.date = _parsed(entry.date, record)
    stamps = _time_stamps(entry)
    for name in ("access_time", "modification_time", "attribute_change_time"):
        if stamps is not None and getattr(stamps, name) is not None:
            setattr(stamps, name, _parsed(getattr(stamps, name), record))


def _time_stamps(entry: Any) -> Any:
    """The entry's Rock Ridge TF record: in the directory record or, where that is full, in its continuation."""
    if entry.rock_ridge is None:
        return None
    places = (entry.rock_ridge.dr_entries, entry.rock_ridge.ce_entries)
    return next((place.tf_record for place in places if place is not None and place.tf_record is not None), None)


def _parsed(date: Any, value: bytes) -> Any:
    fresh = type(date)()
    fresh.parse(value)
    return fresh
