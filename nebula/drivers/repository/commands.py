"""How restic is called on a host: as a long command, with its password in a file that is there for that long alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.files import job_key
from nebula.drivers.datastore.making import work_directory
from nebula.drivers.longrun import Sighting, end_all, run_long
from nebula.errors import (
    CapacityError,
    CommandError,
    ConflictError,
    DeniedError,
    InterruptedByUser,
    NebulaError,
    UnreachableError,
)
from nebula.transport.scripts import WRITE, sh

_RUN = r"""
export RESTIC_PASSWORD_FILE=$1 RESTIC_REPOSITORY=$2 RESTIC_PROGRESS_FPS=1 TZ=UTC LC_ALL=C
out=$3 via=$4
shift 4
restic() {
    command restic --no-cache ${via:+-o "\"sftp.command=$via\""} "$@"
}
"""
"""The beginning of every script: $1 password's file, $2 repository, $3 file for what is read afterwards, $4 ssh, if any (in
quotes of its own, as restic would split it at commas)."""
_UNLOCK = "-unlock"
_BEGUN = 'for work in "$1"*; do [ ! -e "$work" ] || echo "$work"; done'
_ASK = 'umask 077; restic "$@" >"$out"'
_CLOSED = ("wrong password", "Permission denied", "Host key verification failed")
_GONE = ("Connection refused", "Connection timed out", "No route to host", "Connection closed", "connection lost", "EOF")
_LIMIT = 64 << 20


class Restic:
    """restic on one host for one repository. `location` and `via`: as that host reaches it."""

    def __init__(self, host: HostHandle, location: str, via: str, password: str) -> None:
        self._host, self._location, self._via, self._password = host, location, via, password

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
        secret, out = f"{base}.password", f"{base}.out"
        self._put(secret)
        argv = ["sh", "-c", f"{_RUN}{script}", "nebula-restic", secret, self._location, out, self._via, *arguments]
        try:
            done = run_long(
                self._host.transport, work_directory(self._host), key, argv, progress_reader=reader, watch=watch, cancel=cancel
            )
            found = self._host.transport.read_file(out, limit=_LIMIT, root=True) if answers else done.stdout
        except InterruptedByUser as stopped:
            if not stopped.message.startswith(ENGINE_STOPPING):
                self._discard(secret, out)
                self._unlock(job)
            raise
        except CommandError as error:
            self._discard(secret, out)
            raise self._told(error) from error
        self._discard(secret, out)
        return found

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

    def _put(self, path: str) -> None:
        script = f'(umask 066; mkdir -p -- "$2") || exit 1\n{WRITE}'
        self._host.transport.run(
            sh(script, path, work_directory(self._host), "600"), stdin=self._password.encode(), root=True
        )  # fmt: skip

    def _discard(self, *paths: str) -> None:
        self._host.transport.run(["rm", "-f", "--", *paths], root=True)

    def _told(self, error: CommandError) -> Exception:
        words, name = error.stderr.strip(), self._host.name
        last = words.splitlines()[-1] if words else f"status {error.status}"
        if "already locked" in words:
            return ConflictError(
                f"the repository {self._location} is locked", cause=words[-500:], hint="restic unlock, if nobody uses it"
            )
        if "No space left" in words:
            return CapacityError(f"host {name} has no room for a backup", cause=last, hint=f"ssh {name} df -h")
        if any(sign in words for sign in _CLOSED):
            return DeniedError(
                f"host {name} may not use the repository {self._location}", cause=last, hint=f"nebula host check {name}"
            )
        if self._via and any(sign in words for sign in _GONE):
            return UnreachableError(f"host {name} does not reach the repository {self._location}", cause=words[-500:])
        return CommandError(self._host.name, ["restic"], error.status, words[-2000:])
