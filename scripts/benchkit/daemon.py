"""A daemon for as long as a suite needs one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import BenchError

START_SECONDS = 30.0
STOP_SECONDS = 30.0


@contextmanager
def daemon(program: str, home: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run `nebula --daemon` on `home`; its pid. Ends it, and only it."""
    log = (home / "bench-daemon.log").open("wb")
    argv = [program, "--home", str(home), "--daemon"]
    process = subprocess.Popen(argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(program, home, environment, process)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _wait_until_it_answers(program: str, home: Path, environment: Mapping[str, str], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    ask = [program, "--home", str(home), "status", "-f", "json"]
    while _owner(ask, environment) != process.pid or not _listens(home):
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"no daemon came up: {(home / 'bench-daemon.log').read_text().strip()}", hint=" ".join(ask))
        time.sleep(0.1)


def _listens(home: Path) -> bool:
    """Whether the owner says where: while it begins, `status` reads the file without it."""
    return '"socket"' in (home / "owner").read_text()


def _owner(ask: Sequence[str], environment: Mapping[str, str]) -> int:
    done = subprocess.run(ask, env=dict(environment), capture_output=True, text=True, timeout=START_SECONDS, check=False)
    return int(json.loads(done.stdout)["owner_pid"]) if done.returncode == 0 else 0
