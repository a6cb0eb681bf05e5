"""Files that are made whole or not at all, on a host.

Every file is made as `<file>.part` under a lock, flushed, and renamed at the end; a file that is there is a file that is
whole. Two jobs that want the same file wait for each other and the second finds it done. The lock is a file beside it, not
the part itself: over NFS a lock on the part would stand against QEMU's own. While much is flushed the script says so every
few seconds, for a flush moves no byte that its process is charged with and would be taken for standing still.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import HostHandle, Progress
from nebula.drivers.longrun import Sighting, run_long
from nebula.errors import CapacityError, CommandError, InterruptedByUser, NebulaError, UnreachableError
from nebula.transport.scripts import WRITE, sh

_CUT_OFF = frozenset({10, 12, 30, 35, 255})
"""Exit statuses of rsync (socket, protocol, timeouts) and of the ssh below it when a connection failed or ended early."""
_REFUSED = ("Host key verification failed", "Permission denied", "not found", "sudo:", "No space left")
_SHOWN = re.compile(rb"(?:^|[\r\n])\s*([0-9][0-9,.]*)\s+[0-9]{1,3}%")
_HEARTBEAT = r"""
heartbeat() {
    trap 'kill $nap 2>/dev/null; exit' TERM
    while kill -0 $$ 2>/dev/null; do
        sleep 5 >/dev/null 2>&1 &
        nap=$!
        wait $nap
        echo "writing to disk"
    done
}
"""
_FLUSH = r"""
flush() {
    heartbeat 8>&- 9>&- &
    sync "$part"; set -- $?
    kill $!
    return "$1"
}
"""
_FLUSH_LITTLE = 'flush() { sync "$part"; }\n'
_LOCKED = r"""
target=$1; part=$1.part; lock=$1.lock
shift
umask 066; mkdir -p -- "${target%/*}" || exit 1
umask 077
[ "$1" = fresh ] && [ -e "$target" ] && exit 0
while :; do
    exec 8>>"$lock" || exit 1
    until flock -w 5 -E 75 8; do
        [ $? = 75 ] || exit 1
        echo "waiting for another copy"
    done
    [ "$lock" -ef /proc/self/fd/8 ] && break
done
trap 'rm -f "$lock"' EXIT
[ "$1" = fresh ] && [ -e "$target" ] && exit 0
[ "$1" = again ] && [ -e "$target" ] && { mv -T "$target" "$part" || exit 1; }
shift
make "$@" || exit $?
flush || exit $?
mv -T "$part" "$target" && sync "${target%/*}"
"""

_BODIES = {
    "overlay": 'rm -f "$part"; qemu-img create -q -f qcow2 -F "$1" -b "$2" "$part" "$3"',
    "layer": 'rm -f "$part"; qemu-img create -q -u -f qcow2 -F qcow2 -b "$1" "$part" "$2"',
    "empty": 'rm -f "$part"; qemu-img create -q -f "$1" "$part" "$2"',
    "swap": 'rm -f "$part"; qemu-img create -q -f raw "$part" "$1" && mkswap -q "$part"',
    "filesystem": 'rm -f "$part"; qemu-img create -q -f raw "$part" "$2" && mke2fs -q -F -t "$1" "$part"',
    "copy": 'rm -f "$part"; cp --sparse=always --reflink=auto -- "$2" "$part" && grow "$1" "$3"',
    "convert": 'rm -f "$part"; qemu-img convert -f "$1" -O "$3" -- "$2" "$part" && grow "$3" "$4"',
    "convert-onto": 'rm -f "$part"; qemu-img convert -f qcow2 -O qcow2 -B "$1" -F "$2" -- "$3" "$part"',
    "export": 'rm -f "$part"; qemu-img convert ${2:+--object "secret,id=lun,file=$2"} --image-opts -O qcow2 "$1" "$part"',
    "adopt": 'mv -T -- "$1" "$part" && chown 0:0 "$part" && chmod 0600 "$part"',
    "pull": '"$@" "$part"',
}
_ABANDON = r"""
exec 8>>"$1.lock" && flock -n 8 && [ "$1.lock" -ef /proc/self/fd/8 ] && rm -f "$1.part" "$1.lock"
"""
_GROW = 'grow() { [ "$2" = 0 ] || qemu-img resize -q -f "$1" "$part" "$2"; }\n'


class Recipe:
    """How one file is made: the words of a constant script and its arguments.

    `again` makes a file anew although there is one, using that one as what rsync starts from.
    """

    def __init__(self, body: str, *arguments: str, again: bool = False) -> None:
        self._body, self._arguments, self._again = body, arguments, again

    @property
    def over_network(self) -> bool:
        """Whether it comes from another host."""
        return self._body == "pull"

    @property
    def quick(self) -> bool:
        """Whether it is done in a moment, whatever the file's size."""
        return self._body in ("overlay", "layer", "empty", "swap")

    def done(self, seen: Sighting) -> int | None:
        """How many bytes are behind it, as far as a look at it tells: rsync says it, cp goes through the file from its
        beginning, others are known by what they wrote.
        """
        if self._body == "pull":
            return shown_bytes(seen.stdout)
        return seen.size if self._body == "copy" else seen.written

    def argv(self, target: str) -> list[str]:
        """The command that makes `target`."""
        flush = _FLUSH_LITTLE if self.quick else f"{_HEARTBEAT}{_FLUSH}"
        script = f"{flush}{_GROW}make() {{ {_BODIES[self._body]}; }}\n{_LOCKED}"
        return ["sh", "-c", script, "nebula-make", target, "again" if self._again else "fresh", *self._arguments]


def make_now(host: HostHandle, target: str, recipe: Recipe) -> None:
    """Make a file that takes no time (an overlay, an empty image)."""
    try:
        host.transport.run(recipe.argv(target), root=True)
    except CommandError as error:
        raise _told(error, target) from error


def make_long(
    host: HostHandle,
    target: str,
    recipe: Recipe,
    *,
    key: str,
    total: int,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> None:
    """Make a file of `total` bytes that takes its time; it goes on without us, and is found again by the same `key`."""
    work = work_directory(host)
    reader = partial(_tell, recipe, total, progress) if progress else None
    try:
        run_long(host.transport, work, key, recipe.argv(target), progress_reader=reader, watch=f"{target}.part", cancel=cancel)
    except CommandError as error:
        raise (_cut_off(error, target) if recipe.over_network else None) or _told(error, target) from error
    except InterruptedByUser as stopped:
        if not stopped.message.startswith(ENGINE_STOPPING):
            host.transport.run(["sh", "-c", _ABANDON, "nebula-abandon", target], root=True, check=False)
        raise
    if progress:
        progress(total, total)


def work_directory(host: HostHandle) -> str:
    """Where the host keeps what its long commands say."""
    return f"{host.root}/work"


def discard(host: HostHandle, paths: Sequence[str]) -> None:
    """Delete files; those that are not there are no error."""
    host.transport.run(["rm", "-f", "--", *paths], root=True)


def make_directory(host: HostHandle, path: str) -> None:
    """A directory through which QEMU's user may pass but which it cannot list; those above it likewise, if missing."""
    host.transport.run(["sh", "-c", 'umask 066; mkdir -p -- "$1"', "nebula-mkdir", path], root=True)


def write_into(host: HostHandle, directory: str, name: str, data: bytes) -> str:
    """Write a small file for root's eyes whole into a directory, which is made like `make_directory` does; its path."""
    path = f"{directory}/{name}"
    script = f'(umask 066; mkdir -p -- "$2") || exit 1\n{WRITE}'
    host.transport.run(sh(script, path, directory, "600"), stdin=data, root=True)
    return path


def exists(host: HostHandle, path: str) -> bool:
    """Whether there is a regular file. The status alone says so: stderr may have words of the host's shell at its login."""
    argv = ["test", "-f", path]
    answer = host.transport.run(argv, root=True, check=False)
    if answer.status not in (0, 1):
        raise CommandError(host.name, argv, answer.status, answer.stderr.decode("utf-8", "replace"))
    return answer.status == 0


def shown_bytes(stdout: bytes) -> int | None:
    """The last count of bytes in what `rsync --info=progress2` wrote; None if there is none yet."""
    counts = _SHOWN.findall(stdout)
    return int(re.sub(rb"[,.]", b"", counts[-1])) if counts else None


def _tell(recipe: Recipe, total: int, progress: Progress, seen: Sighting) -> None:
    done = recipe.done(seen)
    if done is not None:
        progress(min(done, total), total)


def _cut_off(error: CommandError, target: str) -> UnreachableError | None:
    """Where a copy's other host fell silent or ended the connection: what is there of the file stays, and rsync goes on
    from it. None for what no waiting mends.
    """
    if error.status not in _CUT_OFF or any(words in error.stderr for words in _REFUSED):
        return None
    return UnreachableError(
        f"host {error.host} lost the host from which it copies {target}",
        cause=error.cause,
        hint=f"nebula host check {error.host}",
    )


def _told(error: CommandError, target: str) -> NebulaError:
    if "No space left" in error.cause or "quota exceeded" in error.cause.lower():
        hint = f"free space or choose another datastore: ssh {error.host} df -h {target}"
        return CapacityError(f"host {error.host} has no room for {target}", cause=error.cause, hint=hint)
    told = CommandError(error.host, error.argv, error.status, error.stderr, hint=f"ssh {error.host} ls -la {target}.part")
    told.message = f"{target} could not be made on host {error.host}"
    return told
