"""QEMU's guest agent, as we speak with it: programs and files. Its protocol is the guest's word: nothing of it is trusted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from nebula import timeouts
from nebula.drivers.base import Hypervisor
from nebula.engine.api.values import Executed, FilePart
from nebula.errors import CapacityError, ConflictError, NebulaError, UsageError

CHUNK = 1 << 20
"""Bytes of a file at once: libvirt carries no answer of more than 4 MiB."""
PART = 1 << 16
"""Bytes that one command carries into a guest: one of 128 KiB and more holds up the agent of an emulated guest for minutes."""
MAX_INPUT = PART
"""Bytes that a program is given to read."""
MAX_WORDS = 4096
MAX_WORD = 128 << 10
"""What Linux takes for one word of a command line."""
MAX_OUTPUT = 1 << 20
"""Bytes of a program's output that are kept, of its errors likewise. An answer of more than 10 MiB puts libvirt at odds with
the agent until the guest is started again, and more than 4 MiB it does not carry.
"""
_BOUNDED = r"""
most=$1; shift
keep() { head -c "$most"; cat >/dev/null; }
exec 5>&1 6>&2
status=$({ { { "$@" 3>&- 4>&- 5>&- 6>&-; echo $? >&3; } 2>&4 | keep >&5; } 4>&1 | keep >&6; } 3>&1)
exit "$status"
"""
"""Runs its arguments and ends as they end, with no more than so many bytes of either output: the rest is thrown away."""
MODES = {"read": "rb", "write": "wb"}


class GuestAgent:
    """The agent of one running domain. All methods raise ConflictError where none answers."""

    def __init__(self, hypervisor: Hypervisor, uuid: str) -> None:
        self._hypervisor, self._uuid = hypervisor, uuid

    def execute(self, words: Sequence[str], stdin: bytes) -> int:
        """Start a program; its process's number in the guest."""
        check_command(words, stdin)
        bounded = ["sh", "-c", _BOUNDED, "nebula-exec", str(MAX_OUTPUT + 1), *words]
        return self._start_first([["setsid", *bounded], bounded, words], stdin)

    def _start_first(self, ways: Sequence[Sequence[str]], stdin: bytes) -> int:
        """By the first way that the guest has: setsid makes what a program starts end with it, and Windows has no shell."""
        for way in ways[:-1]:
            try:
                return self._start(way, stdin)
            except ConflictError:
                raise
            except NebulaError:
                continue
        return self._start(ways[-1], stdin)

    def _start(self, words: Sequence[str], stdin: bytes) -> int:
        given: dict[str, Any] = {"path": words[0], "arg": list(words[1:]), "capture-output": True}
        if stdin:
            given["input-data"] = base64.b64encode(stdin).decode()
        return _whole(self._ask("guest-exec", **given), "pid")

    def executed(self, pid: int) -> Executed:
        """How it is. Its end, and what it wrote, are told once."""
        told = self._ask("guest-exec-status", pid=pid)
        if not isinstance(told, dict) or not told.get("exited"):
            return Executed(ended=False)
        out, err = _bytes(told.get("out-data")), _bytes(told.get("err-data"))
        return Executed(
            ended=True,
            status=_whole(told, "exitcode") if "exitcode" in told else 0,
            signal=_whole(told, "signal") if "signal" in told else 0,
            stdout=out[:MAX_OUTPUT],
            stderr=err[:MAX_OUTPUT],
            cut=max(len(out), len(err)) > MAX_OUTPUT or bool(told.get("out-truncated") or told.get("err-truncated")),
        )

    def kill(self, pid: int) -> None:
        """End a program hard with all that it started, by the guest's own shell, or as Windows does it."""
        ours = ["sh", "-c", f"kill -s KILL -- -{pid:d} 2>/dev/null || kill -s KILL {pid:d}"]
        self._start_first([ours, ["taskkill", "/F", "/T", "/PID", f"{pid:d}"]], b"")

    def open(self, path: str, mode: str) -> int:
        """Open a file to `read` it or to `write` it anew; a handle."""
        if mode not in MODES:
            raise UsageError(f"{mode[:20]!r} is no way to open a file", hint="read or write")
        if not path.startswith(("/", "\\")) and path[1:2] != ":":
            raise UsageError(f"{path[:200]!r} is no absolute path in the guest", hint="web:/full/path")
        if "\0" in path or len(path) > 4096:
            raise UsageError("a path in the guest has no NUL and at most 4096 characters")
        handle = self._ask("guest-file-open", path=path, mode=MODES[mode])
        return _whole({"handle": handle}, "handle")

    def read(self, handle: int, offset: int, count: int) -> FilePart:
        """Bytes of the file from there on; empty at its end."""
        self._seek(handle, offset)
        told = self._ask("guest-file-read", handle=handle, count=min(max(count, 1), CHUNK))
        data = _bytes(told.get("buf-b64") if isinstance(told, dict) else None)
        return FilePart(data=data, end=not data)

    def write(self, handle: int, offset: int, data: bytes) -> int:
        """Put bytes there; how many were taken: those of one part."""
        if len(data) > CHUNK:
            raise UsageError(f"at most {CHUNK >> 10} KiB are written at once", cause=f"got {len(data)} bytes")
        data = data[:PART]
        self._seek(handle, offset)
        told = self._ask("guest-file-write", **{"handle": handle, "buf-b64": base64.b64encode(data).decode()})
        count = _whole(told, "count")
        if not 0 <= count <= len(data) or (data and not count):
            raise CapacityError("the guest's file takes no more", hint="df -h, in the guest")
        return count

    def close(self, handle: int) -> None:
        """Let go of the file, all of it written."""
        self._ask("guest-file-flush", handle=handle)
        self._ask("guest-file-close", handle=handle)

    def _seek(self, handle: int, offset: int) -> None:
        self._ask("guest-file-seek", handle=handle, offset=offset, whence="set")

    def _ask(self, command: str, /, **arguments: Any) -> Any:
        return self._hypervisor.ask_agent(self._uuid, command, arguments, timeout=timeouts.GUEST_AGENT)


def check_command(words: Sequence[str], stdin: bytes) -> None:
    """UsageError for a command line that no guest takes."""
    if not words or not words[0]:
        raise UsageError("there is no command to run", hint="nebula vm exec VM -- COMMAND")
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD or "\0" in word for word in words):
        raise UsageError(
            "the command line is too long or holds a NUL", cause=f"at most {MAX_WORDS} words of {MAX_WORD} characters"
        )
    if len(stdin) > MAX_INPUT:
        raise UsageError(
            f"a command is given at most {MAX_INPUT >> 10} KiB to read", cause=f"got {len(stdin)} bytes", hint="nebula vm cp"
        )


def _whole(told: Any, name: str) -> int:
    value = told.get(name) if isinstance(told, dict) else None
    if not isinstance(value, int):
        raise NebulaError("the guest's agent answers what nobody understands", cause=f"no {name} in {str(told)[:100]}")
    return value


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise NebulaError("the guest's agent answers what nobody understands", cause=str(error)) from error
