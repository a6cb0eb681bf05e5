"""Backups in a restic repository: in a directory of one host, which the others reach through their own ssh, in one that every
host sees, or on a server that is no host.

A backup is a directory: the files of each disk (all of it, and what changed since), `vm.json`, which says what they are of,
and `SHA256SUMS`. Each backup has all files that it needs, so each can be restored, and forgotten, alone. What an earlier one
has already is not read again: in its place stands an empty file of the same size and time, for which restic takes over the
content that the parent has. It says how many files it took over; where it is not all, nothing is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle, Progress, RepositoryCapabilities
from nebula.drivers.datastore.layout import checked_path
from nebula.drivers.datastore.making import write_into
from nebula.drivers.longrun import Sighting
from nebula.drivers.repository.commands import Restic
from nebula.drivers.repository.refusals import damage
from nebula.drivers.repository.ways import Plain, Way, served, through
from nebula.errors import CommandError, ConflictError, DamagedError, NotFoundError, UsageError
from nebula.model.backup import BackupFile, Keep, Stored, StoreRequest
from nebula.model.host import Finding

TAG = "nebula"
_STORE = r"""
dir=$1 at=$2
shift 2
umask 077
cd -- "$dir" && rm -f SHA256SUMS || exit 1
while [ "$1" != new ]; do
    rm -f -- "$1" && truncate -s "$2" -- "$1" && touch -d "@$3" -- "$1" && printf '%s  %s\n' "$4" "$1" >>SHA256SUMS || exit 1
    shift 4
done
shift
while [ "$1" != backup ]; do
    [ -z "$2" ] || qemu-img rebase -u -f qcow2 -F qcow2 -b "$2" -- "$1" || exit 1
    touch -d "@$at" -- "$1" && sha256sum -- "$1" >>SHA256SUMS || exit 1
    shift 2
done
restic "$@" .
"""
_RESULT = 'cd -- "$1" && shift && stat -c "%s %n" -- "$@" && cat SHA256SUMS'
_FETCH = r"""
dir=$1 snapshot=$2
shift 2
umask 077
rm -rf -- "$dir" && (umask 066; mkdir -p -- "$dir") || exit 1
restic restore "$snapshot" --target "$dir" >/dev/null || exit
cd -- "$dir" || exit 1
while [ $# -gt 0 ]; do
    printf '%s  %s\n' "$1" "$2" | sha256sum -c --strict --status - ||
        { echo "damaged: $2 is not what was stored" >&2; exit 65; }
    shift 2
done
sync -f .
"""
_DIFFERENT = 65
"""The exit status of `_FETCH` where a file is not what was stored: EX_DATAERR."""
_UNREAD = 3
"""restic's exit status when it could not read a file, or found that the parent's content is not there."""
_DONE = re.compile(rb'"total_bytes":(\d+).*?"bytes_done":(\d+)')


class ResticRepository:
    """Settings: `path`, `password`. `at`: the host whose directory it is; None: every host sees it at its path, or it is on
    the server of the settings `server`, `host_keys`, `private_key` and `public_key`.
    """

    def __init__(self, datastore_id: int, settings: Mapping[str, str], at: HostHandle | None) -> None:
        if not settings.get("path") or not settings.get("password"):
            raise UsageError(
                f"datastore {datastore_id} needs the path and the password of a restic repository",
                hint="--path /srv/backups --password-file FILE",
            )
        self._path, self._password, self._at = checked_path(settings["path"]), settings["password"], at
        self._served = served(datastore_id, settings, self._path) if settings.get("server") else None

    @property
    def capabilities(self) -> RepositoryCapabilities:
        """See Repository.capabilities."""
        return RepositoryCapabilities(increments=True)

    def check(self, host: HostHandle, *, job: str) -> list[Finding]:
        """See Repository.check."""
        if host.transport.run(["sh", "-c", "command -v restic"], check=False).status:
            return [Finding(check="repository", level="error", text="missing: restic", fix="apt-get install -y restic")]
        try:
            self._restic(host).attempt(job)
        except ConflictError as error:
            if "lock" not in error.cause:
                raise
            return [Finding(check="repository", level="warning", text=str(error), fix=error.hint)]
        return [Finding(check="repository", level="ok", text=f"host {host.name} can use {self._path}{self._where}")]

    def prepare(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.prepare."""
        restic = self._restic(host)
        try:
            restic.ask(job, "cat", "config", cancel=cancel)
        except CommandError as error:
            if "Is there a repository" not in error.stderr:
                raise
            restic.ask(job, "init", cancel=cancel)

    def store(
        self, host: HostHandle, request: StoreRequest, *, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> Stored:
        """See Repository.store."""
        found, added = self.find(host, request.tag, job=job, cancel=cancel), 0
        if found:  # it came to its end while no engine was there to see it
            self.abandon(host, job)
        else:
            added = self._store(host, request, job, progress, cancel)
            found = self.find(host, request.tag, job=job, cancel=cancel)
        return Stored(snapshot=found, added=added, files=self._files(host, request))

    def _store(
        self, host: HostHandle, request: StoreRequest, job: str, progress: Progress | None, cancel: CancelToken | None
    ) -> int:
        restic = self._restic(host)
        write_into(host, request.directory, "vm.json", request.description.encode())
        argv = [request.directory, str(request.at)]
        argv += [word for file in request.old for word in (file.name, str(file.size), str(file.mtime), file.sha256)]
        argv += ["new", *(word for file in request.new for word in (file.name, file.below)), "backup", "--json"]
        argv += ["--host", request.uuid, "--tag", TAG, "--tag", request.tag]
        argv += ["--time", datetime.fromtimestamp(request.at, UTC).strftime("%Y-%m-%d %H:%M:%S")]
        if request.parent:
            argv += ["--parent", request.parent, "--ignore-inode", "--ignore-ctime"]
        told = partial(_tell, progress) if progress else None
        try:
            stdout = restic.script(job, "store", _STORE, *argv, cancel=cancel, reader=told)
        except CommandError as error:
            self._drop_half(host, request, job)
            if request.parent and (error.status == _UNREAD or "no matching ID" in error.stderr):
                raise _without_parent(request, error.cause) from error
            raise
        summary: dict[str, Any] = json.loads(stdout.strip().splitlines()[-1])
        if request.parent and summary["files_unmodified"] != len(request.old):
            restic.ask(job, "forget", str(summary["snapshot_id"]), cancel=cancel)
            raise _without_parent(request, f"{len(request.old) - summary['files_unmodified']} of its files are not whole")
        return int(summary["data_added"])

    def _drop_half(self, host: HostHandle, request: StoreRequest, job: str) -> None:
        """What restic keeps although it could not read all."""
        half = self.find(host, request.tag, job=job, cancel=None)
        if half:
            self._restic(host).ask(job, "forget", half, cancel=None)

    @staticmethod
    def _files(host: HostHandle, request: StoreRequest) -> tuple[BackupFile, ...]:
        names = [file.name for file in request.new]
        lines = host.transport.run(["sh", "-c", _RESULT, "nebula", request.directory, *names], root=True).text.splitlines()
        sizes = {name: int(size) for size, _, name in (line.partition(" ") for line in lines[: len(names)])}
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines[len(names) :])}
        new = [
            msgspec.structs.replace(file, size=sizes[file.name], sha256=sums[file.name], mtime=request.at)
            for file in request.new
        ]
        return (*request.old, *new)

    def fetch(
        self,
        host: HostHandle,
        snapshot: str,
        directory: str,
        files: Sequence[BackupFile],
        *,
        job: str,
        progress: Progress | None,
        cancel: CancelToken | None,
    ) -> None:
        """See Repository.fetch."""
        largest = max(files, key=lambda file: file.size, default=None)
        watch = f"{directory}/{largest.name}" if largest else ""
        told = partial(_tell_size, progress, largest.size) if progress and largest else None
        sums = [word for file in files for word in (file.sha256, file.name)]
        try:
            self._restic(host).script(job, "fetch", _FETCH, directory, snapshot, *sums, cancel=cancel, reader=told, watch=watch)
        except CommandError as error:
            if "no matching ID found" in error.stderr or "Is there a repository" in error.stderr:
                raise NotFoundError(f"the repository {self._path} has no backup {snapshot[:8]}", cause=error.cause) from error
            if error.status != _DIFFERENT and not damage(error.stderr):
                raise  # the way was bad, or the place: that says nothing of the backup
            raise DamagedError(
                f"backup {snapshot[:8]} in {self._path} is damaged",
                cause=damage(error.stderr) or error.cause,
                hint=f"restic -r {self._way(host).location} check",
            ) from error

    def find(self, host: HostHandle, tag: str, *, job: str, cancel: CancelToken | None) -> str:
        """See Repository.find."""
        found = json.loads(self._restic(host).ask(job, "snapshots", "--json", "--tag", tag, cancel=cancel))
        return str(found[0]["id"]) if found else ""

    def due(self, host: HostHandle, uuid: str, keep: Keep, *, job: str, cancel: CancelToken | None) -> list[str]:
        """See Repository.due."""
        if keep.everything:
            return []
        argv = ["forget", "--dry-run", "--json", "--tag", TAG, "--host", uuid, "--group-by", "host"]
        for name, number in msgspec.structs.asdict(keep).items():
            argv += [f"--keep-{name}", str(number)] if number else []
        groups = json.loads(self._restic(host).ask(job, *argv, cancel=cancel) or b"[]")
        return [str(one["id"]) for group in groups or () for one in group["remove"] or ()]

    def forget(self, host: HostHandle, snapshots: Sequence[str], *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.forget."""
        restic = self._restic(host)
        have = {str(one["id"]) for one in json.loads(restic.ask(job, "snapshots", "--json", cancel=cancel))}
        there = [one for one in snapshots if one in have]
        if there:
            restic.ask(job, "forget", *there, cancel=cancel)

    def prune(self, host: HostHandle, *, job: str, cancel: CancelToken | None) -> None:
        """See Repository.prune."""
        self._restic(host).ask(job, "prune", cancel=cancel)

    def abandon(self, host: HostHandle, job: str) -> None:
        """See Repository.abandon."""
        self._restic(host).abandon(job)

    @property
    def _where(self) -> str:
        return f" on {self._served.server}" if self._served else ""

    def _restic(self, host: HostHandle) -> Restic:
        return Restic(host, self._way(host), self._password)

    def _way(self, host: HostHandle) -> Way:
        at = self._at
        if self._served is not None:
            checked_path(host.root)  # its ssh finds key and known hosts below it
            return self._served
        return Plain(self._path) if at is None or at.host_id == host.host_id else through(at, host, self._path)


def _without_parent(request: StoreRequest, cause: str) -> ConflictError:
    return ConflictError(
        f"backup {request.parent[:8]}, on which this one would build, is not there whole", cause=cause,
        hint="the next backup copies everything",
    )  # fmt: skip


def _tell(progress: Progress, seen: Sighting) -> None:
    found = _DONE.findall(seen.stdout)
    if found:
        total, done = map(int, found[-1])
        progress(done, total)


def _tell_size(progress: Progress, total: int, seen: Sighting) -> None:
    progress(min(seen.size, total), total)
