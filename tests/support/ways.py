"""The ways to an engine of a home: in this process, through the socket of a daemon, through that of a command which owns the
home meanwhile. The program's own code does all of it; its processes are forked, which is quicker than starting Python.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from nebula.cli.connect import changer
from nebula.cli.options import GlobalOptions
from nebula.engine.api.verbs import Engine
from nebula.engine.local.engine import own
from nebula.engine.owner import owner
from nebula.rpc import plain
from nebula.rpc.client import RemoteEngine
from tests.support.forks import FORKS
from tests.support.sim import until

PATIENCE = 80.0
NOT_FOUND = 3
Way = Callable[[Path], AbstractContextManager[Engine]]


def _program(words: list[str], stderr: str, protocol: int) -> None:
    """The program in a process of its own."""
    from nebula.cli.entry import main

    speak(protocol)
    os.dup2(os.open(stderr, os.O_WRONLY), 2)
    sys.exit(main(words))


def speak(protocol: int) -> None:
    """From now on this process is a program of another version, as far as the socket is concerned."""
    plain.PROTOCOL = protocol
    plain.HELLO = plain.encode("hello", {"protocol": protocol, "version": f"0.0.{protocol}"}, 0)


def start_program(words: list[str], stderr: Path, protocol: int = plain.PROTOCOL) -> BaseProcess:
    """`nebula` with these words; its stderr goes to that file."""
    process = FORKS.Process(target=_program, args=(words, str(stderr), protocol))
    process.start()
    return process


@contextmanager
def in_process(home: Path) -> Iterator[Engine]:
    """This process owns the home."""
    local = own(home, "test")
    assert local is not None
    try:
        yield local
    finally:
        local.close()


@contextmanager
def through_daemon(home: Path) -> Iterator[Engine]:
    """`nebula --daemon` owns it; at the end SIGTERM stops it cleanly."""
    log = home.with_suffix(".log")
    log.touch()
    process = start_program(["--home", str(home), "--daemon"], log)
    try:
        with _client(home, "daemon") as engine:
            yield engine
        process.terminate()
        process.join(PATIENCE)
        assert process.exitcode == 0, log.read_text()
    finally:
        process.kill()


@contextmanager
def through_command(home: Path) -> Iterator[Engine]:
    """A command owns it as long as it cannot tell that it did not find what it looked for: nobody reads its stderr."""
    talk = home.with_suffix(".talk")
    os.mkfifo(talk)
    pipe = os.open(talk, os.O_RDWR | os.O_NONBLOCK)
    _fill(pipe)
    process = start_program(["--home", str(home), "vm", "poweroff", "nobody"], talk)
    try:
        with _client(home, "command") as engine:
            yield engine
        while process.is_alive():
            _drain(pipe)
            process.join(0.05)
        assert process.exitcode == NOT_FOUND
    finally:
        process.kill()
        os.close(pipe)


def _fill(pipe: int) -> None:
    try:
        while True:
            os.write(pipe, bytes(4096))
    except BlockingIOError:
        return


def _drain(pipe: int) -> None:
    try:
        while os.read(pipe, 1 << 16):
            continue
    except BlockingIOError:
        return


@contextmanager
def _client(home: Path, role: str) -> Iterator[Engine]:
    """What every other command of the home works with meanwhile."""
    until(lambda: owner(home).get("socket"), f"the socket of a {role}", PATIENCE)
    assert owner(home)["role"] == role
    with changer(GlobalOptions(home=str(home))) as engine:
        assert isinstance(engine, RemoteEngine)
        yield engine


WAYS: dict[str, Way] = {"in process": in_process, "through a daemon": through_daemon, "through a command": through_command}
