"""The context CD: ISO 9660 with Rock Ridge and Joliet, labelled CONTEXT, the same bytes for the same files and date."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nebula.errors import UsageError

MAX_ISO = 64 << 20
"""Bytes of content at most: the CD is built in memory and written anew at each start."""
MAX_FILES = 1000
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
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL, sys_ident="LINUX")
    for number, (name, data) in enumerate(sorted(files.items())):
        iso.add_fp(
            io.BytesIO(data), len(data), _plain_name(number, name), rr_name=name, joliet_path=f"/{name}", file_mode=_READABLE
        )
    date = datetime.fromtimestamp(made, UTC)
    _date_entries(iso, date)
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    content = bytearray(image.getvalue())
    _date_volume(content, date)
    return bytes(content)


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


def _date_entries(iso: Any, made: datetime) -> None:
    """Put one date wherever the library put the present one."""
    record = struct.pack("7B", made.year - 1900, made.month, made.day, made.hour, made.minute, made.second, 0)
    for descriptor in (iso.pvd, iso.joliet_vd):
        root = descriptor.root_directory_record()
        for entry in (root, *root.children):
            _date_entry(entry, record)


def _date_volume(image: bytearray, made: datetime) -> None:
    """Likewise in the volume descriptors, which the library dates while it writes."""
    date = made.strftime("%Y%m%d%H%M%S00").encode() + b"\0"
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
