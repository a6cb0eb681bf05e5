"""A long command on a host that outlives the engine which started it.

The command runs in a session of its own under a `flock` in `<directory>/<key>/`, beside the files `pid`, `stdout`, `stderr`
and, once it ended, `status`. Its children inherit the lock, so a held lock means that something of it still runs. Whoever
asks for the same key again finds it there: running, it is waited for; ended, its status is read; never is a second one
started beside it. No more than one engine may use a directory, which the engine's own lock on its home sees to.

The file `boot` says since which start of the host it runs. A host that was restarted took the command along, and what it
wrote last may not have come to the disk: then it counts as not done, whatever status it left, and is run again. So it must be
one that may be run again after it was cut off anywhere.

The waiting is the host's: a look takes the lock, which comes free the moment the command ends, and answers after a second
if it does not. So the end is seen at once, and a command that takes ten seconds costs ten round trips.
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

_FIRST_LOOK, _LOOK = 0.2, 1.0
"""Seconds that a look waits for the end, on the host."""
_TAIL = 4096
_NOTHING = "/nonexistent"
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
boot() {
    cat /proc/sys/kernel/random/boot_id; sed 's/^.*) //' /proc/1/stat | cut -d ' ' -f 20
}
of_this_boot() {
    [ "$(cat "$dir/boot" 2>/dev/null)" = "$(boot)" ]
}
session_pids() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v session="$1" '{ pid = $1; sub(/^.*\) /, ""); if ($4 == session) print pid }'
}
pulse() {
    for pid in $(session_pids "$(cat "$dir/pid")"); do cat "/proc/$pid/io" 2>/dev/null; done |
        awk '/^[rw]char:/ { sum += $2 } END { printf "%.0f\n", sum }'
}
stop() {
    [ -e "$dir/pid" ] && exec 9>>"$dir/lock" || return 0
    flock -n 9 && return 0
    leader=$(cat "$dir/pid")
    kill -TERM "-$leader"
    flock -w 15 9 || { kill -KILL "-$leader"; flock -w 10 9; }
}
begin() {
    umask 066; mkdir -p -- "${dir%/*}" || return 1
    umask 077; mkdir -p -- "$dir" && exec 9>>"$dir/lock" || return 1
    flock -n 9 || return 0
    [ -e "$dir/status" ] && of_this_boot && return 0
    rm -f "$dir/pid" "$dir/status"
    boot >"$dir/boot" || return 1
    runner=$1; shift
    setsid sh -c "$runner" nebula-long "$dir" "$@" </dev/null >/dev/null 2>&1 &
    child=$!
    while [ ! -e "$dir/pid" ] && kill -0 "$child" 2>/dev/null; do sleep 0.02; done
    [ -e "$dir/pid" ]
}
look() {
    [ -e "$dir/lock" ] && exec 9>>"$dir/lock" || { printf "lost\n\n0 0 0\n"; exit 0; }
    if ! flock -w "$1" 9; then echo running; pulse
    elif ! of_this_boot; then echo restarted; echo
    elif [ -e "$dir/status" ]; then echo "ended $(cat "$dir/status")"; echo
    else echo lost; echo; fi
    stat -c '%b %B %s' -- "$2" 2>/dev/null || echo 0 0 0
    tail -c "$3" "$dir/stdout" 2>/dev/null
}
case $verb in
start)
    seconds=$1 watch=$2 tail=$3
    shift 3
    begin "$@" && look "$seconds" "$watch" "$tail" ;;
poll)
    look "$@" ;;
stop) stop ;;
sweep)
    for dir in "$dir"*; do
        ( stop ) && rm -rf -- "$dir" || exit 1
    done ;;
clean)
    [ -e "$dir/lock" ] || exit 0
    exec 9>>"$dir/lock" && flock -w 5 9 && rm -rf -- "$dir" ;;
esac
"""


class Sighting(msgspec.Struct, frozen=True):
    """What one look at a running command found.

    `written`: bytes that the watched file takes on disk; `size`: its length, holes and all; `stdout`: the end of what the
    command wrote so far.
    """

    written: int
    size: int
    stdout: bytes


_State = Literal["running", "ended", "lost", "restarted", "stalled"]


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

    def start(self, argv: Sequence[str], watch: str) -> _Poll:
        """Start it, unless it runs or has ended; how it is a moment later. Not to be interrupted: what was started must
        be known by its pid.
        """
        return _read(self._wait("start", str(_FIRST_LOOK), watch or _NOTHING, str(_TAIL), _RUNNER, *argv))

    def poll(self, watch: str, cancel: CancelToken) -> _Poll:
        """How it is once it has ended, or after a while."""
        return _read(self._wait("poll", str(_LOOK), watch or _NOTHING, str(_TAIL), cancel=cancel))

    def stop(self) -> None:
        """End it with everything that it started, and forget it."""
        self._ask("stop")
        self.clean()

    def clean(self) -> None:
        """Forget it; refused by the host (CommandError) while it runs."""
        self._ask("clean")

    def sweep(self) -> None:
        """End and forget all whose keys begin with this one."""
        self._ask("sweep")

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        tail = self._transport.run(["tail", "-c", str(_TAIL), f"{self._dir}/stderr"], root=True, check=False)
        return tail.stdout.decode("utf-8", "replace")

    def _wait(self, verb: str, *arguments: str, cancel: CancelToken | None = None) -> Completed:
        argv = self._argv(verb, *arguments)
        return self._transport.run(argv, root=True, timeout=timeouts.COMMAND, cancel=cancel, bulk=True)

    def _ask(self, verb: str) -> Completed:
        return self._transport.run(self._argv(verb), root=True, timeout=timeouts.COMMAND)

    def _argv(self, verb: str, *arguments: str) -> list[str]:
        return ["sh", "-c", _SCRIPT, "nebula-long", verb, self._dir, *arguments]


def _read(answer: Completed) -> _Poll:
    head, pulse, blocks, stdout = answer.stdout.split(b"\n", 3)
    state, _, status = head.decode().partition(" ")
    count, unit, size = map(int, blocks.split())
    sighting = Sighting(count * unit, size, stdout)
    return _Poll(cast(_State, state), int(status or 0), pulse.decode(), sighting)


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
    each look at it; `watch` is the file whose size on disk those looks report. If the host was restarted meanwhile, it is
    run again. Raises CommandError if it failed, TimedOutError if it neither read nor wrote a byte for `timeout_stall` seconds
    (it is ended then), UnreachableError if the host is lost meanwhile (it goes on; call again to adopt it) and
    InterruptedByUser if `cancel` was set: it is ended then, unless `detach()` holds (by default: the token's reason is that
    the engine is stopping) and it goes on.
    """
    command = _LongCommand(transport, directory, key)
    token = cancel or CancelToken()
    detaching = detach or (lambda: token.reason.startswith(ENGINE_STOPPING))
    try:
        token.raise_if_set()
        while True:
            first = command.start(argv, watch)
            ended = _follow(command, first, timeout_stall, progress_reader, watch, token, clock or SystemClock())
            if ended.state != "restarted":
                break
    except InterruptedByUser:
        if not detaching():
            command.stop()
        raise
    return _conclude(command, transport.name, argv, ended)


def is_known(transport: Transport, directory: str, key: str) -> bool:
    """Whether the host runs, or ran and was not asked about since, the command of that key: `run_long` takes it up."""
    return transport.run(["test", "-e", f"{directory}/{key}/lock"], root=True, check=False).status == 0


def end_all(transport: Transport, directory: str, beginning: str) -> None:
    """End and forget every long command whose key begins so, whoever started it. None: nothing."""
    _LongCommand(transport, directory, beginning).sweep()


def _follow(
    command: _LongCommand,
    seen: _Poll,
    stall: float,
    reader: Callable[[Sighting], None] | None,
    watch: str,
    token: CancelToken,
    clock: Clock,
) -> _Poll:
    pulse, moved = "", clock.monotonic()
    while True:
        if reader:
            reader(seen.sighting)
        if seen.state != "running":
            return seen
        if seen.pulse != pulse:
            pulse, moved = seen.pulse, clock.monotonic()
        elif clock.monotonic() - moved > stall:
            return msgspec.structs.replace(seen, state="stalled")
        seen = command.poll(watch, token)


def _conclude(command: _LongCommand, host: str, argv: Sequence[str], ended: _Poll) -> Completed:
    if ended.state == "stalled":
        command.stop()
        hint = f"look at its disks and network: ssh {host} dmesg"
        raise TimedOutError(
            f"{argv[0]} stood still on host {host}", cause="no byte moved for too long; it was ended", hint=hint
        )
    if ended.state == "lost":
        command.clean()
        raise CommandError(host, argv, -9, "it left no exit status: it was killed")
    if ended.status:
        words = command.last_words()
        command.clean()
        raise CommandError(host, argv, ended.status, words)
    command.clean()
    return Completed(tuple(argv), 0, ended.sighting.stdout, b"")
