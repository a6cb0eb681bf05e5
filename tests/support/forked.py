"""The program as a process of its own that is forked, which costs a tenth of starting Python and importing it all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from tests.support.forks import FORKS, enter


def run_program(
    words: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    place: Path | None = None,
    merged: bool = False,
    program: str = "nebula.cli.entry",
) -> subprocess.CompletedProcess[str]:
    """`nebula` with these words, in that folder; its stdin is empty. With `merged` its stderr is in its stdout, in their order.

    `program` is the module whose `main` it is: `labkit.cli` is scripts/lab.

    Raises subprocess.TimeoutExpired, with what it had said by then.
    """
    with tempfile.TemporaryFile("r+") as out, tempfile.TemporaryFile("r+") as err:
        names = [f"/proc/{os.getpid()}/fd/{stream.fileno()}" for stream in (out, out if merged else err)]
        process = FORKS.Process(target=_run, args=(program, list(words), dict(environment), str(place or Path.cwd()), names))
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


def _run(program: str, words: list[str], environment: dict[str, str], place: str, outputs: list[str]) -> None:
    main = import_module(program).main
    for stream, name in enumerate(outputs, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), stream)
    enter(words, environment, Path(place))
    sys.exit(main(words))
