"""nebula vm exec, cp and screenshot."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TextIO

from nebula.cli.objects import Target, resolve_one
from nebula.errors import (
    CapacityError,
    ConflictError,
    InterruptedByUser,
    NebulaError,
    NotFoundError,
    TimedOutError,
    UsageError,
)
from nebula.units import format_size, parse_duration

if TYPE_CHECKING:
    from nebula.cli.context import Context
    from nebula.cli.invocation import Invocation
    from nebula.engine.api.values import Executed
    from nebula.engine.api.verbs import Engine

CHUNK = 1 << 16
"""Bytes of a file at once, at most."""
_FIRST, _LEAST = 1 << 14, 1 << 12
_QUICK, _SLOW = 0.5, 3.0
"""Seconds of a part from which more or less goes at once: an emulated guest is slow, its agent given up after a while."""
MAX_INPUT = 1 << 16
_WAIT = 5.0
"""Seconds after which we look at the clock."""
_SIGNALLED = 128
"""Added to a signal's number, as shells do."""
_SAID_EVERY = 10.0


def execute(context: Context, line: Invocation) -> int:
    """Run a command in the guest; its exit status is ours."""
    command = list(line.texts("command"))
    if not command:
        raise UsageError("vm exec wants a command", hint="nebula vm exec VM -- COMMAND")
    limit = parse_duration(line.text("timeout")) if line.text("timeout") else 0.0
    stdin = _given(sys.stdin.buffer) if line.flag("stdin") else b""
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        pid = engine.vms.execute(target.ref, command, context.call(), stdin=stdin)
        ended = _until_ended(context, engine, target, pid, limit)
    _write(context.out, ended.stdout)
    _write(context.err, ended.stderr)
    if ended.cut:
        context.say(
            "only the beginning of what it wrote was kept: let the command write to a file, then: nebula vm cp VM:FILE ."
        )
    return _SIGNALLED + ended.signal if ended.signal else ended.status


def _until_ended(context: Context, engine: Engine, target: Target, pid: int, limit: float) -> Executed:
    """Wait for it; what is not waited for any more is ended."""
    until = context.monotonic() + limit
    try:
        while True:
            left = until - context.monotonic() if limit else _WAIT
            ended = engine.vms.executed(target.ref, pid, context.call(), wait=max(0.0, min(left, _WAIT)))
            if ended.ended:
                return ended
            if limit and context.monotonic() >= until:
                raise TimedOutError(
                    f"the command in VM {target.name} did not end within {limit:.0f} s",
                    cause="it was killed",
                    hint="--timeout TIME allows more, and without it there is no limit",
                )
    except (KeyboardInterrupt, InterruptedByUser, TimedOutError):
        with suppress(NebulaError):  # the guest may be gone by now
            engine.vms.kill(target.ref, pid, context.call())
        raise


def _given(stream: IO[bytes]) -> bytes:
    data = stream.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise UsageError(
            f"a command in a guest is given at most {MAX_INPUT >> 10} KiB to read",
            cause="more came on standard input",
            hint="nebula vm cp FILE VM:/tmp/FILE, and let the command read that",
        )
    return data


def _write(stream: TextIO, data: bytes) -> None:
    """The bytes as they are, where the stream takes bytes."""
    below = getattr(stream, "buffer", None)
    stream.flush()
    if below is None:
        stream.write(data.decode("utf-8", "replace"))
    else:
        below.write(data)
        below.flush()


class Place(NamedTuple):
    """A side of a copy: a path, in a VM where `vm` is not empty."""

    vm: str
    path: str


def place(word: str) -> Place:
    """VM:/PATH is in a VM; a path here may be written ./a:b."""
    vm, colon, path = word.partition(":")
    return Place(vm, path) if colon and vm and "/" not in vm else Place("", word)


def copy(context: Context, line: Invocation) -> int:
    """Copy a file into a guest, or out of one."""
    source, target = place(line.text("source")), place(line.text("target"))
    if bool(source.vm) == bool(target.vm):
        raise UsageError(
            "vm cp copies between this machine and one VM", hint="nebula vm cp FILE web:/tmp/FILE, or: web:/etc/hosts FILE"
        )
    with context.reader() as engine:
        vm = resolve_one(engine, "vm", source.vm or target.vm)
        if target.vm:
            local = Path(source.path)
            path = f"{target.path}{local.name}" if target.path.endswith("/") else target.path
            size, digest = _into(context, engine, vm, local, path)
            where = f"{vm.name}:{path}"
        else:
            here = Path(target.path)
            path, local = source.path, here / source.path.rpartition("/")[2] if here.is_dir() else here
            size, digest = _out_of(context, engine, vm, path, local)
            where = str(local)
        _compare(context, engine, vm, path, digest)
    context.say(f"{where}: {format_size(size)}, sha256 {digest}")
    return 0


class Pace:
    """How many bytes go at once."""

    def __init__(self) -> None:
        self.size = _FIRST

    def took(self, seconds: float) -> None:
        """So long for the last part."""
        if seconds < _QUICK:
            self.size = min(self.size * 2, CHUNK)
        elif seconds > _SLOW:
            self.size = max(self.size // 2, _LEAST)


def _into(context: Context, engine: Engine, vm: Target, local: Path, path: str) -> tuple[int, str]:
    """Its size and its checksum."""
    if not local.is_file():
        raise NotFoundError(f"there is no file {local}", hint=f"ls -l {local}")
    digest, done = hashlib.sha256(), 0
    progress = _Progress(context, local.stat().st_size)
    with local.open("rb") as file:
        handle = engine.vms.open_file(vm.ref, path, "write", context.call())
        with _closing(context, engine, vm, handle):
            pace = Pace()
            while data := file.read(pace.size):
                digest.update(data)
                rest, begun = memoryview(data), context.monotonic()
                while rest:
                    taken = engine.vms.write_file(vm.ref, handle, done, bytes(rest), context.call())
                    done, rest = done + taken, rest[taken:]
                pace.took(context.monotonic() - begun)
                progress.at(done)
    return done, digest.hexdigest()


def _out_of(context: Context, engine: Engine, vm: Target, path: str, local: Path) -> tuple[int, str]:
    """Whole, or not at all: it gets its name at the end."""
    part = local.with_name(f"{local.name}.part")
    digest, done, progress = hashlib.sha256(), 0, _Progress(context, 0)
    handle = engine.vms.open_file(vm.ref, path, "read", context.call())
    try:
        with _closing(context, engine, vm, handle), part.open("wb") as file:
            for data in _parts(context, engine, vm, handle):
                file.write(data)
                digest.update(data)
                done += len(data)
                progress.at(done)
        part.replace(local)
    except OSError as error:
        raise CapacityError(f"{local} cannot be written", cause=str(error), hint=f"df -h {local.parent}") from error
    finally:
        part.unlink(missing_ok=True)
    return done, digest.hexdigest()


def _parts(context: Context, engine: Engine, vm: Target, handle: int) -> Iterator[bytes]:
    offset, pace, begun = 0, Pace(), context.monotonic()
    while not (part := engine.vms.read_file(vm.ref, handle, offset, pace.size, context.call())).end:
        pace.took(context.monotonic() - begun)
        offset += len(part.data)
        yield part.data
        begun = context.monotonic()


@contextmanager
def _closing(context: Context, engine: Engine, vm: Target, handle: int) -> Iterator[None]:
    """The file is closed at the end; what went wrong before is said, not that an agent closes nothing after it."""
    try:
        yield
    except BaseException:
        with suppress(NebulaError):
            engine.vms.close_file(vm.ref, handle, context.call())
        raise
    engine.vms.close_file(vm.ref, handle, context.call())


def _compare(context: Context, engine: Engine, vm: Target, path: str, digest: str) -> None:
    """What the guest itself computes of its file; a guest without the program for it is believed."""
    try:
        pid = engine.vms.execute(vm.ref, ["sha256sum", "--", path], context.call())
        found = _until_ended(context, engine, vm, pid, 600.0).stdout.split()
    except TimedOutError:
        raise
    except NebulaError:
        context.say("the guest has no sha256sum: the copy was not compared")
        return
    if not found or found[0].lstrip(b"\\").decode("ascii", "replace") != digest:
        raise ConflictError(
            f"{vm.name}:{path} differs from what was copied",
            cause=f"sha256 {digest} here, {found[0].decode('ascii', 'replace')[:64] if found else 'none'} there",
            hint="something else writes the file: copy it again",
        )


class _Progress:
    """A line every ten seconds."""

    def __init__(self, context: Context, total: int) -> None:
        self._context, self._total = context, total
        self._next = context.monotonic() + _SAID_EVERY

    def at(self, done: int) -> None:
        """So many bytes went."""
        now = self._context.monotonic()
        if now >= self._next:
            self._next = now + _SAID_EVERY
            of = f" of {format_size(self._total)}" if self._total else ""
            self._context.say(f"{format_size(done)}{of}")


def screenshot(context: Context, line: Invocation) -> int:
    """Write what the VM's screen shows to a PNG file."""
    path = Path(line.text("file"))
    with context.reader() as engine:
        target = resolve_one(engine, "vm", line.text("ref"))
        data = engine.vms.screenshot(target.ref)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CapacityError(f"{path} cannot be written", cause=str(error), hint=f"ls -ld {path.parent}") from error
    context.say(f"{path}: {format_size(len(data))}")
    return 0
