"""A host's transport for what touches files on an NFS mount: whatever runs, the mount is there and its server answers, or
nothing runs.

The look and the command are one round trip. A mount that is missing (a restart, an `umount`) is made. Its mount point is a
directory that nothing can be written to while nothing is mounted (`chattr +i`), so that no disk comes to lie on the host's own
file system.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.nfs import NfsSource
from nebula.errors import CommandError, ConflictError, NebulaError, TimedOutError, UnreachableError
from nebula.model.host import Finding
from nebula.transport.base import Completed, Forward, Transport
from nebula.transport.scripts import sh

_STATUS = 97
_ANSWER = 10
"""Seconds that a server has for an answer, before commands that need it are refused."""
_MARK = "nebula-mount"
_LOOK = r"""
here() { cd -P -- "${1%/*}/" 2>/dev/null && pwd; }
parent=$(here "$dir"); place=${parent%/}/${dir##*/}
mounted() {
    awk -v at="$place" '$5 == at { kind = ""; for (i = 6; i < NF; i++) if ($i == "-") { kind = $(i + 1); what = $(i + 2) } }
        END { if (kind != "") print kind, what }' /proc/self/mountinfo
}
serves() {  # this host is the server, so the files are its own
    [ -n "$server" ] || return 1
    for address in $(getent ahosts "$server" | cut -d " " -f 1 | sort -u); do
        case $address in 127.* | ::1) return 0 ;; esac
        ip -o address | awk -v at="$address" '{ split($4, own, "/"); if (own[1] == at) yes = 1 } END { exit !yes }' && return 0
    done
    return 1
}
"""
_GUARD = (
    r"""
dir=$1 source=$2 options=$3 answer=$4 id=$5 server=$6
shift 6
refuse() { echo "nebula-mount $*" >&2; exit 97; }
"""
    + _LOOK
    + r"""
mount_it() {
    flock -w 60 9 || refuse busy
    parent=$(here "$dir"); place=${parent%/}/${dir##*/}
    [ -z "$(mounted)" ] || return 0
    [ ! -L "$dir" ] || refuse link
    (umask 066; mkdir -p -- "$dir") || refuse directory
    [ -z "$(ls -A -- "$dir")" ] || refuse full
    command -v mount.nfs >/dev/null || refuse tool
    chattr +i -- "$dir" 2>/dev/null
    said=$(timeout -s KILL "$((answer * 3))" mount -t nfs -o "retry=0,$options" -- "$source" "$dir" 2>&1)
    status=$?
    [ "$status" != 137 ] || refuse silent
    [ "$status" = 0 ] || refuse failed "$said"
}
now=$(mounted)
if [ -z "$now" ]; then
    serves && exec "$@"
    (mount_it) 9>"/run/nebula-mount-$id.lock" </dev/null || exit
    parent=$(here "$dir"); place=${parent%/}/${dir##*/}
    now=$(mounted)
fi
case $now in
    "nfs $source" | "nfs4 $source") ;;
    *) refuse other "$now" ;;
esac
said=$(timeout -s KILL "$answer" stat -f -c %T -- "$dir" 2>&1 >/dev/null)
case $? in
    0) ;;
    137) refuse silent ;;
    *) refuse stale "$said" ;;
esac
exec "$@"
"""
)
_RELEASE = (
    "dir=$1 source=$2 answer=$3 server=$4\n"
    + _LOOK
    + r"""
[ -n "$(mounted)" ] || ! serves || exit 0
case $(mounted) in
    "nfs $source" | "nfs4 $source")
        said=$(timeout -s KILL "$answer" umount -- "$dir" 2>&1)
        case $? in
            0) ;;
            *) case $said in *busy*) echo "$said" >&2; exit 1 ;; esac; umount -f -l -- "$dir" || exit 1 ;;
        esac
        ;;
esac
[ ! -d "$dir" ] || [ -n "$(mounted)" ] || { chattr -i -- "$dir" 2>/dev/null; rmdir -- "$dir" 2>/dev/null; true; }
"""
)


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """One export on one directory of a host."""

    datastore_id: int
    source: NfsSource
    directory: str

    def guarded(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` if the mount is there, or if the host is the machine that makes the export."""
        source = self.source
        words = (self.directory, source.source, source.mount_options, str(_ANSWER), str(self.datastore_id), source.exporter)
        return sh(_GUARD, *words, *argv)

    def release(self, host: HostHandle) -> None:
        """Nothing is mounted on the directory by us, which is gone if it is empty. So already: nothing."""
        argv = sh(_RELEASE, self.directory, self.source.source, str(_ANSWER), self.source.exporter)
        host.transport.run(argv, root=True, timeout=2 * timeouts.COMMAND)

    def finding(self, error: NebulaError) -> Finding:
        """What a check says of a mount that cannot be used."""
        text = f"{error.message}: {error.cause}".rstrip(": ")
        return Finding(check="datastore.mount", level="error", text=text, fix=error.hint)

    def error(self, host: str, stderr: str) -> NebulaError:
        """What the guard's refusal means, and what mends it."""
        what, _, said = stderr.split(f"{_MARK} ", 1)[1].strip().partition(" ")
        source, directory = self.source.source, self.directory
        again = f"nebula datastore check {self.datastore_id}"
        on_host = f"ssh {host}"
        if what in ("silent", "busy") or any(words in said for words in _AWAY):
            hint = f"on {self.source.host}: systemctl status nfs-server, then: {again}"
            cause = said or f"no answer within {_ANSWER} s; what guests have open there waits for it"
            return UnreachableError(f"host {host} does not reach NFS server {self.source.host}", cause=cause, hint=hint)
        message = f"{source} is not usable at {directory} on host {host}"
        cause, hint = {
            "tool": ("it has no mount.nfs", f"{on_host} apt-get install -y nfs-common"),
            "link": ("the directory is a symbolic link", f"{on_host} ls -ld {directory}"),
            "directory": ("the directory cannot be made", f"{on_host} ls -ld {directory}"),
            "full": ("nothing is mounted there, and the directory is not empty", f"{on_host} ls -la {directory}"),
            "other": (f"something else is mounted there: {said}", f"{on_host} umount {directory}"),
            "stale": (said or "the mount is stale", f"{on_host} umount -l {directory}, then: {again}"),
        }.get(what, (said or what, f"on {self.source.host}: exportfs -v, which must name {self.source.path} for {host}"))
        return ConflictError(message, cause=cause, hint=hint)


_AWAY = ("Connection refused", "Connection timed out", "No route to host", "Network is unreachable", "timed out")
"""What mount says of a server that may come back."""


class MountedTransport:
    """See Transport; commands of root's run if the mount is there."""

    def __init__(self, inner: Transport, mount: Mount) -> None:
        self._inner, self.mount = inner, mount

    @property
    def name(self) -> str:
        """See Transport.name."""
        return self._inner.name

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = timeouts.COMMAND,
        check: bool = True,
        root: bool = False,
        cancel: CancelToken | None = None,
        on_line: Callable[[bytes], None] | None = None,
        bulk: bool = False,
    ) -> Completed:
        """See Transport.run."""
        told = self.mount.guarded(argv) if root else list(argv)
        longer = timeout + 4 * _ANSWER if root else timeout
        done = self._inner.run(
            told, stdin=stdin, timeout=longer, check=False, root=root, cancel=cancel, on_line=on_line, bulk=bulk
        )
        words = done.stderr.decode("utf-8", "replace")
        if root and done.status == _STATUS and f"{_MARK} " in words:
            raise self.mount.error(self.name, words)
        if check and done.status != 0:
            raise CommandError(self.name, argv, done.status, words)
        return msgspec.structs.replace(done, argv=tuple(argv))

    def ensure(self) -> None:
        """The mount is there and its server answers, or the error that says what stands against it."""
        try:
            self.run(["true"], root=True)
        except TimedOutError as error:
            raise self.mount.error(self.name, f"{_MARK} silent") from error

    def read_file(self, path: str, *, limit: int = 1 << 20, root: bool = False) -> bytes:
        """See Transport.read_file."""
        self.ensure()
        return self._inner.read_file(path, limit=limit, root=root)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, root: bool = False) -> None:
        """See Transport.write_file."""
        self.ensure()
        self._inner.write_file(path, data, mode=mode, root=root)

    def upload(
        self,
        local: Path,
        remote: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        root: bool = False,
    ) -> None:
        """See Transport.upload."""
        self.ensure()
        self._inner.upload(local, remote, progress=progress, cancel=cancel, root=root)

    def forward_socket(self, remote_path: str) -> Forward:
        """See Transport.forward_socket."""
        return self._inner.forward_socket(remote_path)

    def forward_tcp(self, remote_host: str, remote_port: int) -> Forward:
        """See Transport.forward_tcp."""
        return self._inner.forward_tcp(remote_host, remote_port)

    def anew(self) -> Transport | None:
        """See Transport.anew: the host itself, whatever is mounted."""
        return self._inner.anew()

    def retry_now(self) -> None:
        """See Transport.retry_now."""
        self._inner.retry_now()

    def alive(self) -> bool:
        """See Transport.alive."""
        return self._inner.alive()

    def close(self) -> None:
        """See Transport.close."""
        self._inner.close()


_ROUND = r"""
file=$1
trap 'rm -f -- "$file"' EXIT
umask 077
printf written >"$file" && sync -- "$file" || exit 1
[ "$(stat -c %u -- "$file")" = 0 ] && chown 1:1 -- "$file" && chown 0:0 -- "$file" || { echo squashed >&2; exit 3; }
( flock -n 9 ) 9<>"$file" || { echo "no lock was given" >&2; exit 1; }
[ "$(cat -- "$file")" = written ]
"""


def check_round(host: HostHandle, mount: Mount) -> list[Finding]:
    """A file of root's is written, given away, locked, read and removed."""
    argv = sh(_ROUND, f"{mount.directory}/nebula-check-{host.host_id:d}")
    try:
        done = host.transport.run(argv, root=True, check=False)
    except NebulaError as error:
        return [mount.finding(error)]
    if done.status == 0:
        text = f"host {host.name} wrote, locked, read and removed a file on {mount.source.source}"
        return [Finding(check="datastore.mount", level="ok", text=text)]
    words = done.stderr.decode("utf-8", "replace").strip()[-500:]
    fix = f"ssh {host.name} ls -ld {mount.directory}"
    if "squashed" in words or "Permission denied" in words or "Operation not permitted" in words:
        words = f"the export does not let root be root there ({words})"
        fix = f"on {mount.source.host}: add no_root_squash to {mount.source.path} in /etc/exports, then: exportfs -ra"
    return [Finding(check="datastore.mount", level="error", text=f"{mount.source.source}: {words}", fix=fix)]
