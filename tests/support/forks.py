"""Processes of the tests are forked from a server that has imported the program: Python anew takes ten times as long.

A process of tests has one such server, whoever asks first; so what it imports is said once, here.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import nebula.__main__ as program

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.support.preloaded"])


def enter(words: Sequence[str], environment: Mapping[str, str], place: Path) -> None:
    """This process, which was just forked, is now one that was started as `nebula` with these words and that environment in
    that folder; its stdin is empty, and signals do to it what they do in a terminal, whatever the tests' own caller ignores.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = [program.__file__, *words]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(place)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def _program(words: list[str], environment: dict[str, str], place: Path, streams: Sequence[Connection]) -> None:
    """The program in a process and a session of its own."""
    from nebula.cli.entry import main

    os.setsid()
    enter(words, environment, place)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.fileno(), number)
        stream.close()
    faulthandler.enable()
    sys.exit(main(words))


class Program:
    """`nebula` with these words, forked, in a session of its own, both streams to pipes; used like `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], place: Path | None = None) -> None:
        self.words = tuple(words)
        pipes = [FORKS.Pipe(duplex=False) for _ in range(2)]
        self.stdout, self.stderr = (os.fdopen(os.dup(ours.fileno()), encoding="utf-8") for ours, _ in pipes)
        streams = [theirs for _, theirs in pipes]
        given = (list(words), dict(environment), place or Path.cwd(), streams)
        self._process = FORKS.Process(target=_program, args=given)
        self._process.start()
        for end in (end for pipe in pipes for end in pipe):
            end.close()
        self.pid = self._process.pid or 0
        self._reading: list[Future[str]] = []

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """The exit status; TimeoutExpired if it has not ended by then."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.words, seconds)
        return self._process.exitcode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """All that it writes, until nobody holds its streams any more, and it has ended."""
        deadline = time.monotonic() + timeout
        if not self._reading:
            pool = ThreadPoolExecutor(2)
            self._reading = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            pool.shutdown(wait=False)
        try:
            out, err = (read.result(max(deadline - time.monotonic(), 0)) for read in self._reading)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.words, timeout) from None
        self.wait(max(deadline - time.monotonic(), 1.0))
        return out, err

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing if it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """It is killed if it runs."""
        self._process.kill()
        self._process.join()
        self.stdout.close()
        self.stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
