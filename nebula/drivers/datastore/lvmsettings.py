"""A volume group as a datastore's settings tell of it, with OpenNebula's names where it has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from nebula.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9_.+-]{0,39}")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_SWITCHES = ("SHARED", "LVM_THIN_ENABLE", "ZERO_LVM_ON_CREATE", "ZERO_LVM_ON_DELETE")
SECTOR = 512


class LvmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where volumes are. `pool` is the thin pool that they are made in, empty: they have their whole size at once."""

    group: str
    shared: bool = False
    """All hosts see this very group, on a LUN; otherwise each has its own of that name."""
    pool: str = ""
    limit: int = 90
    """Percent of a thin pool's data or metadata, above which nothing more is placed in it."""
    zero_new: bool = True
    """What earlier volumes left on the disks is not shown to a guest."""
    zero_old: bool = False
    """A volume is overwritten before it is removed."""


def settings_of(datastore_id: int, settings: Mapping[str, str]) -> LvmSettings:
    """What the settings say; UsageError for what makes no sense.

    Without `VG_NAME` it is OpenNebula's own: vg-one-ID.
    """
    given = {name.upper(): str(value).strip() for name, value in settings.items() if str(value).strip()}
    for name in ("VG_NAME", "THIN_POOL"):
        if name in given and (not _NAME.fullmatch(given[name]) or given[name] in (".", "..")):
            hint = f"{name}=nebula: letters, digits and _ . + -, at most 40"
            raise UsageError(f"{name} of datastore {datastore_id} makes no sense: {given[name][:60]!r}", hint=hint)
    on = {name: _switch(name, given.get(name, "")) for name in _SWITCHES}
    thin = on["LVM_THIN_ENABLE"] if on["LVM_THIN_ENABLE"] is not None else "THIN_POOL" in given
    if thin and on["SHARED"]:
        raise UsageError(
            "a volume group that all hosts share has no thin volumes",
            cause="a thin pool's metadata is written by the one host where the pool is active; a second one would destroy it",
            hint="leave LVM_THIN_ENABLE and THIN_POOL out, or SHARED",
        )
    if not thin and "THIN_POOL" in given:
        raise UsageError("THIN_POOL and LVM_THIN_ENABLE=no contradict each other", hint="leave one of them out")
    return LvmSettings(
        group=given.get("VG_NAME", f"vg-one-{datastore_id:d}"),
        shared=bool(on["SHARED"]),
        pool=given.get("THIN_POOL", "pool") if thin else "",
        limit=_percent(given.get("THIN_POOL_LIMIT", "90")),
        zero_new=on["ZERO_LVM_ON_CREATE"] is not False,
        zero_old=bool(on["ZERO_LVM_ON_DELETE"]),
    )


def sectors(size: int) -> str:
    """A size in bytes as lvm's tools are told it; UsageError for nothing."""
    if size <= 0:
        raise UsageError(f"a disk of {size} bytes cannot be made", hint="give it a size: --size 10G")
    return str(-(-size // SECTOR))


def _switch(name: str, text: str) -> bool | None:
    if text.lower() in _YES:
        return True
    if not text or text.lower() in _NO:
        return False if text else None
    raise UsageError(f"{name} is yes or no, not {text[:40]!r}", hint=f"{name}=yes")


def _percent(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:4]) <= 100:
        raise UsageError(f"THIN_POOL_LIMIT is a percentage from 1 to 100, not {text[:40]!r}", hint="THIN_POOL_LIMIT=90")
    return int(text)
