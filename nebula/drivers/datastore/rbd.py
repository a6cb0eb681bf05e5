"""RBD images as a host's tools see them: scripts are run, long ones found again, and errors told in words."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.datastore.cephcluster import CephCluster
from nebula.drivers.datastore.making import work_directory
from nebula.drivers.datastore.rbdscript import ABSENT, script
from nebula.drivers.longrun import Sighting, run_long
from nebula.errors import CapacityError, CommandError, ConflictError, InterruptedByUser, NebulaError, TimedOutError
from nebula.model.storage import DatastoreUsage

_SECONDS = 100.0
"""A script of several short commands, each of which ends by itself when the cluster does not answer."""
_SHOWN = re.compile(rb"\(([0-9.]+)/100%\)")
_FULL = ("No space left", "(28)", "quota", "(122)", "disk is full")
_SILENT = ("timed out", "(110)", "couldn't connect", "error connecting")
_FULL_CHECKS = ("POOL_FULL", "OSD_FULL", "POOL_QUOTA_FULL")


class Rbd:
    """The pool of one cluster, by way of any host."""

    def __init__(self, cluster: CephCluster) -> None:
        self.cluster = cluster
        self._prepared: set[int] = set()

    def prepare(self, host: HostHandle) -> None:
        """The host can reach the cluster: once for each of these objects."""
        if host.host_id not in self._prepared:
            self.cluster.prepare(host)
            self._prepared.add(host.host_id)

    def leave(self, host: HostHandle) -> None:
        """The host cannot reach it any more."""
        self._prepared.discard(host.host_id)
        self.cluster.leave(host)

    def run(self, host: HostHandle, verb: str, *arguments: str) -> bytes:
        """What a short script says."""
        self.prepare(host)
        try:
            return host.transport.run(self._argv(host, verb, arguments), root=True, timeout=_SECONDS).stdout
        except CommandError as error:
            raise self._told(host, error) from error

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
        """A script that goes on without us and is found again by the same `key`; of a cancelled one nothing stays."""
        self.prepare(host)
        argv, target = self._argv(host, verb, arguments), arguments[0]
        reader = partial(tell_percent, total, progress) if progress else None
        try:
            run_long(host.transport, work_directory(host), key, argv, progress_reader=reader, cancel=cancel)
        except CommandError as error:
            raise self._told(host, error) from error
        except InterruptedByUser as stopped:
            if not stopped.message.startswith(ENGINE_STOPPING):
                self.run(host, "drop", f"{target}.part")
            raise
        if progress:
            progress(total, total)

    def there(self, host: HostHandle, image: str) -> bool:
        """Whether the image is there and whole."""
        return self.run(host, "there", image).strip() == b"yes"

    def usage(self, host: HostHandle) -> DatastoreUsage:
        """What the pool holds and may still take, as its clients count: copies of the same data once."""
        told = self._ask(host, "df", "detail")
        found = next((pool["stats"] for pool in told["pools"] if pool["name"] == self.cluster.data_pool), None)
        found = found or next((pool["stats"] for pool in told["pools"] if pool["name"] == self.cluster.pool), None)
        if found is None:
            hint = f"ceph osd pool create {self.cluster.pool}"
            raise ConflictError(f"Ceph has no pool {self.cluster.pool}", cause=f"asked from host {host.name}", hint=hint)
        used, free = int(found["stored"]), int(found["max_avail"])
        quota = int(found.get("quota_bytes", 0))
        if quota:
            free = min(free, max(0, quota - used))
        return DatastoreUsage(total=used + free, used=used, free=free)

    def qemu_name(self, host: HostHandle, image: str) -> str:
        """The image as qemu-img on the host opens it."""
        return f"rbd:{self.cluster.pool}/{image}:id={self.cluster.user}:conf={self.cluster.file(host, 'conf')}"

    def full(self, host: HostHandle) -> str:
        """What of the cluster is full, in Ceph's words; empty: nothing, or it does not say."""
        try:
            checks = self._ask(host, "health")["checks"]
        except NebulaError:
            return ""
        return "; ".join(checks[name]["summary"]["message"] for name in _FULL_CHECKS if name in checks)

    def _ask(self, host: HostHandle, *words: str) -> Any:
        self.prepare(host)
        argv = ["ceph", "--id", self.cluster.user, "-c", self.cluster.file(host, "conf"), "--connect-timeout", "20"]
        try:
            return json.loads(host.transport.run([*argv, *words, "-f", "json"], root=True, timeout=_SECONDS).stdout)
        except CommandError as error:
            raise self._silent(host, error) or error from error

    def _argv(self, host: HostHandle, verb: str, arguments: tuple[str, ...]) -> list[str]:
        cluster = self.cluster
        trash = "yes" if cluster.trash else "no"
        about = (cluster.pool, cluster.user, cluster.file(host, "conf"), cluster.data_pool, trash, str(cluster.waits.busy))
        return ["sh", "-c", script(verb), "nebula-rbd", *about, *arguments]

    def _told(self, host: HostHandle, error: CommandError) -> NebulaError:
        if error.status == ABSENT:
            return error
        full = _any(_FULL, error.cause) or (_any(_SILENT, error.cause) and self.full(host))
        if full:
            cause = full if isinstance(full, str) else error.cause
            hint = "remove what is not needed, raise the pool's quota or add disks: ceph df"
            return CapacityError(f"Ceph pool {self.cluster.pool} is full", cause=cause, hint=hint)
        if "atchers" in error.cause:
            hint = f"ssh {host.name} rbd status {self.cluster.pool}/IMAGE"
            return ConflictError(f"an image in Ceph pool {self.cluster.pool} is in use", cause=error.cause, hint=hint)
        return self._silent(host, error) or self._failed(host, error)

    def _silent(self, host: HostHandle, error: CommandError) -> NebulaError | None:
        if not _any(_SILENT, error.cause):
            return None
        return TimedOutError(
            f"Ceph pool {self.cluster.pool} does not answer host {host.name}",
            cause=error.cause,
            hint="its monitors and OSDs: ceph status; ceph osd tree",
        )

    def _failed(self, host: HostHandle, error: CommandError) -> CommandError:
        told = CommandError(error.host, error.argv, error.status, error.stderr, hint="nebula datastore check")
        told.message = f"Ceph pool {self.cluster.pool} refused what host {host.name} asked"
        return told


def _any(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


def tell_percent(total: int, progress: Progress, seen: Sighting) -> None:
    """What `-p` of qemu-img says, in bytes."""
    shown = _SHOWN.findall(seen.stdout)
    if shown:
        progress(min(total, int(total * float(shown[-1]) / 100)), total)
