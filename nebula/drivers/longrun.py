"""A long command on a host that outlives the engine which started it.

The command runs in a session of its own under a `flock` in `<directory>/<key>/`, beside the files `pid`, `stdout`, `stderr`
and, once it ended, `status`. Its children inherit the lock, so a held lock means that something of it still runs. Whoever
asks for the same key again finds it there: running, it is waited for; ended, its status is read; never is a second one
started beside it. No more than one engine may use a directory, which the engine's own lock on its home sees to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, cast

import msgspec

from nebula import timeouts
from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.clock import Clock, SystemClock
from nebula.errors import CommandError, InterruptedByUser, TimedOutError, UsageError
from nebula.transport.base import Completed, Transport

"""A cancel token set for this reason lets the command go on; any other ends it."""

_FIRST_POLL, _LAST_POLL = 0.1, 2.0
_TAIL = 4096
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")

_RUNNER = r"""
echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid"
dir=$1; shift
"$@" </dev/null >"$dir/stdout" 2>"$dir/stderr"
echo $? >"$dir/status.new" && mv "$dir/status.new" "$dir/status"
"""

_SCRIPT = r"""
verb=$1 dir=$2
shift 2
session_pids() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v session="$1" '{ pid = $1; sub(/^.*\) /, ""); if ($4 == session) print pid }'
}
pulse() {
    for pid in $(session_pids "$(cat "$dir/pid")"); do cat "/proc/$pid/io" 2>/dev/null; done |
        awk '/^[rw]char:/ { sum += $2 } END { printf "%.0f\n", sum }'
}
case $verb in
start)
    umask 066; mkdir -p -- "${dir%/*}" || exit 1
    umask 077; mkdir -p -- "$dir" && exec 9>>"$dir/lock" || exit 1
    flock -n 9 || exit 0
    [ -e "$dir/status" ] && exit 0
    rm -f "$dir/pid"
    runner=$1; shift
    setsid sh -c "$runner" nebula-long "$dir" "$@" </dev/null >/dev/null 2>&1 &
    child=$!
    while [ ! -e "$dir/pid" ] && kill -0 "$child" 2>/dev/null; do sleep 0.02; done
    [ -e "$dir/pid" ] ;;
poll)
    [ -e "$dir/lock" ] && exec 9>>"$dir/lock" || { echo lost; exit 0; }
    if ! flock -n 9; then echo running
    elif [ -e "$dir/status" ]; then echo "ended $(cat "$dir/status")"
    else echo lost; fi
    pulse
    stat -c '%b %B' -- "$1" 2>/dev/null || echo 0 0
    tail -c "$2" "$dir/stdout" 2>/dev/null ;;
stop)
    [ -e "$dir/pid" ] && exec 9>>"$dir/lock" || exit 0
    flock -n 9 && exit 0
    leader=$(cat "$dir/pid")
    kill -TERM "-$leader"
    flock -w 5 9 || { kill -KILL "-$leader"; flock -w 10 9; } ;;
clean)
    [ -e "$dir/lock" ] || exit 0
    exec 9>>"$dir/lock" && flock -n 9 && rm -rf -- "$dir" ;;
esac
"""


class Sighting(msgspec.Struct, frozen=True):
    """What one look at a running command found.

    `written`: bytes that the watched file takes on disk; `stdout`: the end of what the command wrote so far.
    """

    written: int
    stdout: bytes


_State = Literal["running", "ended", "lost", "stalled"]


class _Poll(msgspec.Struct, frozen=True):
    state: _State
    status: int
    pulse: str
    sighting: Sighting


class _LongCommand:
    """One command's directory on its host, and the verbs of the script."""

    def __init__(self, transport: Transport, directory: str, key: str) -> None:
        if not _KEY.fullmatch(key):
            raise UsageError(
                f"{key!r} cannot name a long command on host {transport.name}", cause="it becomes a directory's name"
            )
        self._transport = transport
        self._dir = f"{directory}/{key}"

    def start(self, argv: Sequence[str]) -> None:
        """Start it, unless it runs or has ended."""
        self._ask("start", _RUNNER, *argv)

    def poll(self, watch: str) -> _Poll:
        """How it is."""
        head, _, rest = self._ask("poll", watch or "/nonexistent", str(_TAIL)).stdout.partition(b"\n")
        pulse, _, rest = rest.partition(b"\n")
        blocks, _, stdout = rest.partition(b"\n")
        state, _, status = head.decode().partition(" ")
        count, _, unit = blocks.decode().partition(" ")
        sighting = Sighting(int(count or 0) * int(unit or 0), stdout)
        return _Poll(cast(_State, state), int(status or 0), pulse.decode(), sighting)

    def stop(self) -> None:
        """End it with everything that it started, and forget it."""
        self._ask("stop")
        self.clean()

    def clean(self) -> None:
        """Forget it; refused by the host (CommandError) while it runs."""
        self._ask("clean")

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        tail = self._transport.run(["tail", "-c", str(_TAIL), f"{self._dir}/stderr"], root=True, check=False)
        return tail.stdout.decode("utf-8", "replace")

    def _ask(self, verb: str, *arguments: str) -> Completed:
        argv = ["sh", "-c", _SCRIPT, "nebula-long", verb, self._dir, *arguments]
        return self._transport.run(argv, root=True, timeout=timeouts.COMMAND)


def run_long(
    transport: Transport,
    directory: str,
    key: str,
    argv: Sequence[str],
    *,
    timeout_stall: float = timeouts.COPY_STALL,
    progress_reader: Callable[[Sighting], None] | None = None,
    watch: str = "",
    cancel: CancelToken | None = None,
    detach: Callable[[], bool] | None = None,
    clock: Clock | None = None,
) -> Completed:
    """Run `argv` as root on the host, or find the run of the same `key` (in `directory`) and follow that one.

    Returns when it ended with status 0 (its stdout cut to the last 4 KiB) and forgets it on the host. `progress_reader` sees
    each look at it; `watch` is the file whose size on disk those looks report. Raises CommandError if it failed,
    TimedOutError if it neither read nor wrote a byte for `timeout_stall` seconds (it is ended then), UnreachableError if the
    host is lost meanwhile (it goes on; call again to adopt it) and InterruptedByUser if `cancel` was set: it is ended
    then, unless `detach()` holds (by default: the token's reason is that the engine is stopping) and it goes on.
    """
    command = _LongCommand(transport, directory, key)
    token = cancel or CancelToken()
    detaching = detach or (lambda: token.reason.startswith(ENGINE_STOPPING))
    try:
        token.raise_if_set()
        command.start(argv)
        ended = _follow(command, timeout_stall, progress_reader, watch, token, clock or SystemClock())
    except InterruptedByUser:
        if not detaching():
            command.stop()
        raise
    return _conclude(command, transport.name, argv, ended)


def _follow(
    command: _LongCommand,
    stall: float,
    reader: Callable[[Sighting], None] | None,
    watch: str,
    token: CancelToken,
    clock: Clock,
) -> _Poll:
    pause, pulse, moved = _FIRST_POLL, "", clock.monotonic()
    while True:
        seen = command.poll(watch)
        if reader:
            reader(seen.sighting)
        if seen.state != "running":
            return seen
        if seen.pulse != pulse:
            pulse, moved = seen.pulse, clock.monotonic()
        elif clock.monotonic() - moved > stall:
            return msgspec.structs.replace(seen, state="stalled")
        token.wait(pause)
        token.raise_if_set()
        pause = min(pause * 2, _LAST_POLL)


def _conclude(command: _LongCommand, host: str, argv: Sequence[str], ended: _Poll) -> Completed:
    if ended.state == "stalled":
        command.stop()
        hint = f"look at its disks and network: ssh {host} dmesg"
        raise TimedOutError(
            f"{argv[0]} stood still on host {host}", cause="no byte moved for too long; it was ended", hint=hint
        )
    if ended.state == "lost":
        command.clean()
        raise CommandError(host, argv, -9, "it left no exit status: it was killed, or the host was restarted")
    if ended.status:
        words = command.last_words()
        command.clean()
        raise CommandError(host, argv, ended.status, words)
    command.clean()
    return Completed(tuple(argv), 0, ended.sighting.stdout, b"")
