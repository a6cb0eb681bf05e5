"""A volume group as a host's tools see it: scripts are run, long ones found again, reports read and errors told in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore.lvmscript import ABSENT, BUSY, ELSEWHERE, script
from nebula.drivers.datastore.lvmsettings import LvmSettings
from nebula.drivers.datastore.making import work_directory
from nebula.drivers.datastore.rbd import tell_percent
from nebula.drivers.longrun import Sighting, run_long
from nebula.errors import CapacityError, CommandError, ConflictError, NebulaError, NotFoundError, UnreachableError
from nebula.model.storage import DatastoreUsage

_SECONDS = 100.0
_FULL = ("insufficient free space", "No space left", "out of data space", "free space in pool", "exceeds the size of thin pool")
_GROUP = "vg_name,vg_size,vg_free,vg_extent_size,vg_lock_type,vg_missing_pv_count"
_VOLUMES = "lv_name,lv_size,pool_lv,data_percent,metadata_percent,lv_tags,lv_active,lv_device_open"
_COPIED = re.compile(rb"([0-9]+) bytes")
_LOST = "the other host ended with status 255"
Turn = Callable[[], AbstractContextManager[Any]]


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A logical volume, as one host sees it. `data` and `metadata`: percent that is used of a thin pool, `data` also of a thin
    volume; -1: it is neither.
    """

    name: str
    size: int
    pool: str = ""
    data: float = -1.0
    metadata: float = -1.0
    tags: tuple[str, ...] = ()
    active: bool = False
    open: bool = False

    @property
    def hosts(self) -> list[int]:
        """The hosts where it may be active, on a shared group."""
        told = (tag.removeprefix("nebula-on-") for tag in self.tags if tag.startswith("nebula-on-"))
        return sorted(int(number) for number in told if number.isdecimal())


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A volume group, as one host sees it. Sizes in bytes."""

    name: str
    size: int
    free: int
    extent: int
    lock_type: str = ""
    missing: int = 0
    """Physical volumes that the host does not find."""
    volumes: tuple[Volume, ...] = ()

    def volume(self, name: str) -> Volume | None:
        """The volume of that name."""
        return next((volume for volume in self.volumes if volume.name == name), None)


class VolumeGroup:
    """The group, by way of any host that sees it. `turn`: what to hold while a shared group's metadata is written."""

    def __init__(self, settings: LvmSettings) -> None:
        self.settings = settings
        self.turn: Turn = nullcontext

    def path(self, volume: str) -> str:
        """The device, where the volume is active."""
        return f"/dev/{self.settings.group}/{volume}"

    def look(self, host: HostHandle, verb: str, *arguments: str) -> bytes:
        """What a short script says that writes no metadata."""
        try:
            return host.transport.run(self._argv(host, verb, arguments), root=True, timeout=_SECONDS).stdout
        except CommandError as error:
            raise self.told(host, error) from error

    def write(self, host: HostHandle, verb: str, *arguments: str) -> bytes:
        """The same of one that writes metadata: in its turn."""
        with self.turn():
            return self.look(host, verb, *arguments)

    def run_long(
        self,
        host: HostHandle,
        verb: str,
        *arguments: str,
        key: str,
        total: int,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """A script that goes on without us and is found again by the same `key`."""
        reader = partial(_copied if verb == "pull" else tell_percent, total, progress) if progress else None
        argv = self._argv(host, verb, arguments)
        try:
            run_long(host.transport, work_directory(host), key, argv, progress_reader=reader, cancel=cancel)
        except CommandError as error:
            raise self.told(host, error) from error
        if progress:
            progress(total, total)

    def report(self, host: HostHandle) -> Report:
        """The group and its volumes; NotFoundError where the host does not see it."""
        group = self._rows(host, "vgs", "vg", _GROUP)
        if not group:
            raise self._unseen(host, "")
        return report_of(group[0], self._rows(host, "lvs", "lv", _VOLUMES))

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """Space as the host sees it; of a thin pool nothing is free above its limit."""
        return usage_of(self.report(host), self.settings)

    def _rows(self, host: HostHandle, verb: str, kind: str, columns: str) -> Sequence[Any]:
        argv = ["lvm", verb, "--config", 'devices/hints="none"', "--reportformat", "json", "--units", "b", "--nosuffix"]
        argv += ["-o", columns, self.settings.group]
        try:
            said = host.transport.run(argv, root=True, timeout=_SECONDS).stdout
        except CommandError as error:
            raise self.told(host, error) from error
        return rows_of(said, kind)

    def _argv(self, host: HostHandle, verb: str, arguments: tuple[str, ...]) -> list[str]:
        settings = self.settings
        me = str(host.host_id) if settings.shared else ""
        about = (settings.group, settings.pool, me, "yes" if settings.zero_new else "no")
        return ["sh", "-c", script(verb), "nebula-lvm", *about, *arguments]

    def told(self, host: HostHandle, error: CommandError) -> NebulaError:
        """The tools' words as one error of ours."""
        group, words = self.settings.group, error.stderr
        if error.status == ABSENT:
            return error
        if error.status == ELSEWHERE:
            return self._elsewhere(host, error)
        if error.status == BUSY or " in use" in words:
            hint = f"ssh {host.name} lsblk -o NAME,TYPE,MOUNTPOINTS; ssh {host.name} virsh list --all"
            return ConflictError(f"a volume of group {group} is in use on host {host.name}", cause=error.cause, hint=hint)
        if any(word in words for word in _FULL) or ("Input/output error" in words and self._pool_full(host)):
            return CapacityError(f"{self._what} on host {host.name} is full", cause=error.cause, hint=self._grow_hint)
        if f'Volume group "{group}" not found' in words:
            return self._unseen(host, error.cause)
        if _LOST in words and not any(word in words for word in ("Host key verification failed", "Permission denied")):
            message = f"host {host.name} lost the host from which it copies a volume"
            return UnreachableError(message, cause=error.cause, hint=f"nebula host check {host.name}")
        failed = CommandError(error.host, error.argv, error.status, error.stderr, hint="nebula datastore check")
        failed.message = f"volume group {group} refused what host {host.name} asked"
        return failed

    @property
    def _what(self) -> str:
        return (
            f"thin pool {self.settings.group}/{self.settings.pool}"
            if self.settings.pool
            else f"volume group {self.settings.group}"
        )

    @property
    def _grow_hint(self) -> str:
        group = self.settings.group
        return f"lvextend -L +10G {group}/{self.settings.pool}" if self.settings.pool else f"vgextend {group} /dev/DISK"

    def _pool_full(self, host: HostHandle) -> bool:
        pool = self.report(host).volume(self.settings.pool) if self.settings.pool else None
        return pool is not None and max(pool.data, pool.metadata) >= 99.0

    def _elsewhere(self, host: HostHandle, error: CommandError) -> ConflictError:
        name, _, where = error.stderr.strip().partition(" is active on host ")
        tag = f"nebula-on-{where.split()[0] if where else 'ID'}"
        hint = f"only if that host is off for good: ssh {host.name} lvchange --nohints --deltag {tag} {name}"
        return ConflictError(
            f"volume {name} belongs to host {where} (its id), so host {host.name} must not open it",
            cause="two hosts that write to one volume destroy what is in it",
            hint=hint,
        )

    def _unseen(self, host: HostHandle, cause: str) -> NotFoundError:
        group = self.settings.group
        hint = f"ssh {host.name} vgs --nohints"
        return NotFoundError(f"host {host.name} has no volume group {group}", cause=cause, hint=hint)


def _copied(total: int, progress: Progress, seen: Sighting) -> None:
    """What dd says of itself."""
    counts = _COPIED.findall(seen.stdout)
    if counts:
        progress(min(int(counts[-1]), total), total)


def rows_of(said: bytes, kind: str) -> Sequence[Any]:
    """The rows of a report that lvm's tools made with `--reportformat json`."""
    return json.loads(said)["report"][0][kind]  # type: ignore[no-any-return]


def report_of(group: Any, volumes: Sequence[Any]) -> Report:
    """A report as plain values."""
    return Report(
        name=group["vg_name"],
        size=int(group["vg_size"]),
        free=int(group["vg_free"]),
        extent=int(group["vg_extent_size"]),
        lock_type=group.get("vg_lock_type", ""),
        missing=int(group.get("vg_missing_pv_count") or 0),
        volumes=tuple(map(_volume, volumes)),
    )


def _volume(row: Any) -> Volume:
    return Volume(
        name=row["lv_name"],
        size=int(row["lv_size"]),
        pool=row.get("pool_lv", ""),
        data=float(row.get("data_percent") or -1),
        metadata=float(row.get("metadata_percent") or -1),
        tags=tuple(tag for tag in row.get("lv_tags", "").split(",") if tag),
        active=row.get("lv_active", "").startswith("active"),
        open=row.get("lv_device_open", "") == "open",
    )


def usage_of(report: Report, settings: LvmSettings) -> DatastoreUsage:
    """Space of the group or, where there is one, its thin pool; NotFoundError without that pool."""
    if not settings.pool:
        used = report.size - report.free
        return DatastoreUsage(total=report.size, used=used, free=report.free, promised=used)
    pool = report.volume(settings.pool)
    if pool is None:
        hint = f"lvcreate --type thin-pool -l 90%FREE -n {settings.pool} {report.name}"
        raise NotFoundError(f"volume group {report.name} has no thin pool {settings.pool}", hint=hint)
    used = int(pool.size * max(0.0, pool.data) / 100)
    room = 0 if pool.metadata >= settings.limit else max(0, pool.size * settings.limit // 100 - used)
    promised = sum(volume.size for volume in report.volumes if volume.pool == settings.pool)
    return DatastoreUsage(
        total=pool.size, used=used, free=room, promised=promised,
        data_percent=max(0.0, pool.data), metadata_percent=max(0.0, pool.metadata),
    )  # fmt: skip
