"""How restic is called on a host: as a long command, with its password and its ssh's key in files that are there for that
long alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.files import job_key
from nebula.drivers.datastore.making import work_directory
from nebula.drivers.longrun import Sighting, end_all, run_long
from nebula.drivers.repository.refusals import told
from nebula.drivers.repository.ways import Way
from nebula.errors import CommandError, ConflictError, InterruptedByUser, NebulaError
from nebula.transport.scripts import sh

_RUN = r"""
base=$1 out=$1.out via=$3
export RESTIC_PASSWORD_FILE=$1.password RESTIC_REPOSITORY=$2 RESTIC_PROGRESS_FPS=1 TZ=UTC LC_ALL=C
shift 3
restic() {
    command restic --no-cache ${via:+-o "\"sftp.command=$via\""} "$@" && return
    set -- $?
    [ ! -s "$base.log" ] || cat "$base.log" >&2
    return "$1"
}
"""
"""The beginning of every script: $1 beginning of the names of its files, of which `.out` is what is read afterwards, $2
repository, $3 ssh, if any (in quotes of its own, as restic would split it at commas). restic may end before it has passed on
what its ssh says, so ssh may write that to `.log`.
"""
_PUT = r"""
put() {
    (umask 066; mkdir -p -- "${base%/*}") || return 1
    while [ $# -gt 0 ]; do
        (umask 077; head -c "$2" >"$base.$1.new") && sync -- "$base.$1.new" && mv -fT -- "$base.$1.new" "$base.$1" || return 1
        shift 2
    done
}
"""
"""Cuts stdin into files beside `base`: the end of a file's name, its size, and so on."""
_PUT_NOW = f'base=$1\nshift\n{_PUT}put "$@"'
_TRY = r"""
trap 'rm -f -- "$base".*' EXIT
trap 'exit 143' TERM
put "$@" || exit 1
umask 077
if ! restic cat config >/dev/null 2>"$out"; then
    grep -q "Is there a repository" "$out" || { cat "$out" >&2; exit 1; }
    restic init >/dev/null || exit 1
fi
restic snapshots --json --latest 1 >/dev/null
"""
"""Everything that a backup needs: it is reached, opens, or is made, and a lock can be written."""
_UNLOCK = "-unlock"
_BEGUN = 'for work in "$1"*; do [ ! -e "$work" ] || echo "$work"; done'
_ASK = 'umask 077; restic "$@" >"$out"'
_LIMIT = 64 << 20


class Restic:
    """restic on one host for one repository, and the way there."""

    def __init__(self, host: HostHandle, way: Way, password: str) -> None:
        self._host, self._way, self._password = host, way, password

    def ask(self, job: str, *arguments: str, cancel: CancelToken | None) -> bytes:
        """What one command of restic answers."""
        return self._mended(lambda: self.script(job, arguments[0], _ASK, *arguments, cancel=cancel, answers=True))

    def script(
        self,
        job: str,
        what: str,
        script: str,
        *arguments: str,
        cancel: CancelToken | None,
        answers: bool = False,
        reader: Callable[[Sighting], None] | None = None,
        watch: str = "",
    ) -> bytes:
        """Run a script that calls `restic`, or find the one of the same job and name (`what`); what it wrote to its "$out", if
        it `answers` so, or the end of its stdout.
        """
        key = job_key(job, f"restic-{what}")
        base = f"{work_directory(self._host)}/{key}"
        self._put(base)
        argv = self._argv(script, base, *arguments)
        try:
            done = run_long(
                self._host.transport, work_directory(self._host), key, argv, progress_reader=reader, watch=watch, cancel=cancel
            )
            found = self._host.transport.read_file(f"{base}.out", limit=_LIMIT, root=True) if answers else done.stdout
        except InterruptedByUser as stopped:
            if not stopped.message.startswith(ENGINE_STOPPING):
                self._discard(base)
                self._unlock(job)
            raise
        except CommandError as error:
            self._discard(base)
            raise told(self._host.name, self._way, error) from error
        self._discard(base)
        return found

    def attempt(self, job: str) -> None:
        """Try all that a backup needs, at once; it ends with the connection to the host, and its files with it."""
        base = f"{work_directory(self._host)}/{job_key(job, 'restic-try')}"
        words, data = self._files()
        try:
            self._host.transport.run(self._argv(f"{_PUT}{_TRY}", base, *words), stdin=data, root=True)
        except CommandError as error:
            raise told(self._host.name, self._way, error) from error

    def abandon(self, job: str) -> None:
        """End what is under way, and take away its files."""
        beginning = f"{work_directory(self._host)}/{job_key(job, '')}"
        begun = self._host.transport.run(sh(_BEGUN, beginning), root=True).text.strip()
        end_all(self._host.transport, work_directory(self._host), job_key(job, ""))
        if begun:
            self._unlock(job)

    def _mended(self, act: Callable[[], bytes]) -> bytes:
        """Once more after locks of commands that were killed are taken away: restic knows them by their processes."""
        try:
            return act()
        except ConflictError as error:
            if "lock" not in error.cause:
                raise
        self._unlock("mend")
        return act()

    def _unlock(self, job: str) -> None:
        """Restic that is ended leaves its lock, which only the host where it ran knows to be nobody's."""
        if not job.endswith(_UNLOCK):
            with contextlib.suppress(NebulaError):  # there may be no repository yet; locks are nobody's after half an hour
                self.script(f"{job}{_UNLOCK}", "unlock", _ASK, "unlock", cancel=None, answers=True)

    def _argv(self, script: str, base: str, *arguments: str) -> list[str]:
        return ["sh", "-c", f"{_RUN}{script}", "nebula-restic", base, self._way.location, self._way.ssh(base), *arguments]

    def _put(self, base: str) -> None:
        words, data = self._files()
        self._host.transport.run(sh(_PUT_NOW, base, *words), stdin=data, root=True)

    def _files(self) -> tuple[list[str], bytes]:
        """What restic and its ssh read: names and sizes for `_PUT`, and all of it in a row."""
        files = {name: text.encode() for name, text in {"password": self._password, **self._way.files()}.items()}
        return [word for name, data in files.items() for word in (name, str(len(data)))], b"".join(files.values())

    def _discard(self, base: str) -> None:
        ends = ("password", "out", "log", *self._way.files())
        self._host.transport.run(["rm", "-f", "--", *(f"{base}.{end}" for end in ends)], root=True)
