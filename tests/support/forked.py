"""The program as a process of its own that is forked, which costs a tenth of starting Python and importing it all."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import nebula.__main__ as program

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "tests.support.forked",
        "nebula.cli.connect",
        "nebula.cli.entry",
        "nebula.engine.local.engine",
        "nebula.rpc.client",
        "nebula.transport.ssh",
    ]
)


def run_program(
    words: Sequence[str], environment: Mapping[str, str], seconds: float, *, place: Path | None = None, merged: bool = False
) -> subprocess.CompletedProcess[str]:
    """`nebula` with these words, in that folder; its stdin is empty. With `merged` its stderr is in its stdout, in their order.

    Raises subprocess.TimeoutExpired, with what it had said by then.
    """
    with tempfile.TemporaryFile("r+") as out, tempfile.TemporaryFile("r+") as err:
        names = [f"/proc/{os.getpid()}/fd/{stream.fileno()}" for stream in (out, out if merged else err)]
        process = _forks.Process(target=_run, args=(list(words), dict(environment), str(place or Path.cwd()), names))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(["nebula", *words], seconds, _said(out), _said(err))
        return subprocess.CompletedProcess(["nebula", *words], process.exitcode, _said(out), _said(err))


def _said(stream: object) -> str:
    stream.seek(0)  # type: ignore[attr-defined]
    return str(stream.read())  # type: ignore[attr-defined]


def _run(words: list[str], environment: dict[str, str], place: str, outputs: list[str]) -> None:
    from nebula.cli.entry import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, name in enumerate(outputs, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), stream)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(place)
    sys.argv = [program.__file__, *words]
    sys.exit(main(words))
