from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.longrun import Sighting, run_long
from nebula.errors import CommandError, InterruptedByUser, TimedOutError, UnreachableError, UsageError
from nebula.transport.base import Completed
from nebula.transport.local import LocalTransport

COUNTED = 'echo run >>"$1"; echo started; while [ ! -e "$2" ]; do sleep 0.05; done; echo done'
"""A command that notes that it ran and waits for a file."""

ENGINE = """
import sys
from nebula.drivers.longrun import run_long
from nebula.transport.local import LocalTransport
run_long(LocalTransport("node"), sys.argv[1], "job-1", sys.argv[2:])
"""


@pytest.fixture
def host() -> Iterator[LocalTransport]:
    transport = LocalTransport("node")
    yield transport
    transport.close()


@pytest.fixture
def counted(tmp_path: Path) -> list[str]:
    return ["sh", "-c", COUNTED, "counted", str(tmp_path / "runs"), str(tmp_path / "go")]


def runs(tmp_path: Path) -> int:
    path = tmp_path / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def wait_until(what: Callable[[], bool]) -> None:
    for _ in range(400):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def alive(pid_file: Path) -> bool:
    return Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_it_returns_what_was_written_and_leaves_nothing(host: LocalTransport, tmp_path: Path) -> None:
    done = run_long(host, str(tmp_path / "work"), "job-1", ["printf", "%s|", "a b", "$(id)", "'"])
    assert done.stdout == b"a b|$(id)|'|"
    assert list((tmp_path / "work").iterdir()) == []


def test_a_failure_carries_the_tools_words_and_can_be_tried_again(host: LocalTransport, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(CommandError, match="No such file") as caught:
            run_long(host, str(tmp_path / "work"), "job-1", ["ls", "/nowhere/at/all"])
        assert caught.value.status == 2
        assert list((tmp_path / "work").iterdir()) == []


def test_an_engine_that_was_killed_is_followed_by_one_that_adopts(
    host: LocalTransport, tmp_path: Path, counted: list[str]
) -> None:
    work = tmp_path / "work"
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(work), *counted])
    wait_until(lambda: runs(tmp_path) == 1)
    engine.send_signal(signal.SIGKILL)
    engine.wait(10)
    threading.Timer(0.5, (tmp_path / "go").touch).start()
    assert run_long(host, str(work), "job-1", counted).stdout.endswith(b"done\n")
    assert runs(tmp_path) == 1


def test_a_result_that_nobody_fetched_is_found(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        run_long(
            host, str(tmp_path / "work"), "job-1", counted, cancel=token, progress_reader=lambda _: token.set(ENGINE_STOPPING)
        )
    (tmp_path / "go").touch()
    wait_until((tmp_path / "work" / "job-1" / "status").exists)
    assert run_long(host, str(tmp_path / "work"), "job-1", counted).stdout.endswith(b"done\n")
    assert runs(tmp_path) == 1


def test_an_engine_that_stops_lets_the_command_go_on(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        run_long(
            host, str(tmp_path / "work"), "job-1", counted, cancel=token, progress_reader=lambda _: token.set(ENGINE_STOPPING)
        )
    assert alive(tmp_path / "work" / "job-1" / "pid")
    (tmp_path / "go").touch()
    run_long(host, str(tmp_path / "work"), "job-1", counted)
    assert runs(tmp_path) == 1


def test_a_person_who_cancels_ends_the_command_and_its_children(host: LocalTransport, tmp_path: Path) -> None:
    children = [
        "sh",
        "-c",
        'sleep 300 & echo $! >"$1"; (trap "" TERM; while :; do sleep 0.1; done) & echo $! >>"$1"; wait',
        "x",
    ]
    pids, token = tmp_path / "pids", CancelToken()

    def cancel_soon(_: Sighting) -> None:
        if pids.exists() and len(pids.read_text().split()) == 2:
            token.set("cancelled by alice")

    with pytest.raises(InterruptedByUser, match="alice"):
        run_long(host, str(tmp_path / "work"), "job-1", [*children, str(pids)], cancel=token, progress_reader=cancel_soon)
    wait_until(lambda: not any(still_runs(int(pid)) for pid in pids.read_text().split()))
    assert list((tmp_path / "work").iterdir()) == []


def still_runs(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_cancelling_ends_what_an_earlier_engine_started(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        run_long(
            host, str(tmp_path / "work"), "job-1", counted, cancel=token, progress_reader=lambda _: token.set(ENGINE_STOPPING)
        )
    pid = int((tmp_path / "work" / "job-1" / "pid").read_text())
    cancelled = CancelToken()
    cancelled.set("cancelled by alice")
    with pytest.raises(InterruptedByUser):
        run_long(host, str(tmp_path / "work"), "job-1", counted, cancel=cancelled)
    wait_until(lambda: not still_runs(pid))


class Unsteady(LocalTransport):
    """A connection that is lost as soon as a command runs."""

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        if "poll" in argv:
            raise UnreachableError("host node does not answer")
        return super().run(argv, **more)


def test_a_lost_host_is_reported_and_its_command_adopted_later(
    host: LocalTransport, tmp_path: Path, counted: list[str]
) -> None:
    with pytest.raises(UnreachableError):
        run_long(Unsteady("node"), str(tmp_path / "work"), "job-1", counted)
    (tmp_path / "go").touch()
    assert run_long(host, str(tmp_path / "work"), "job-1", counted).stdout.endswith(b"done\n")
    assert runs(tmp_path) == 1


def test_detach_decides_what_a_cancel_means(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    token = CancelToken()
    with pytest.raises(InterruptedByUser):
        run_long(
            host,
            str(tmp_path / "work"),
            "job-1",
            counted,
            cancel=token,
            detach=lambda: True,
            progress_reader=lambda _: token.set("any reason"),
        )
    assert alive(tmp_path / "work" / "job-1" / "pid")
    (tmp_path / "go").touch()
    run_long(host, str(tmp_path / "work"), "job-1", counted)


def test_one_that_stands_still_is_ended(host: LocalTransport, tmp_path: Path) -> None:
    with pytest.raises(TimedOutError, match="stood still"):
        run_long(host, str(tmp_path / "work"), "job-1", ["sleep", "300"], timeout_stall=0.5)
    assert list((tmp_path / "work").iterdir()) == []


def test_one_that_works_silently_is_not_taken_for_one_that_stands_still(host: LocalTransport, tmp_path: Path) -> None:
    work = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/zero >/dev/null; sleep 0.3; done; echo fine"]
    assert run_long(host, str(tmp_path / "work"), "job-1", work, timeout_stall=2.0).stdout == b"fine\n"


def test_one_that_was_killed_is_a_failure_and_can_be_started_anew(host: LocalTransport, tmp_path: Path) -> None:
    pid_file = tmp_path / "work" / "job-1" / "pid"

    def kill(_: Sighting) -> None:
        os.killpg(int(pid_file.read_text()), signal.SIGKILL)

    with pytest.raises(CommandError, match="no exit status"):
        run_long(host, str(tmp_path / "work"), "job-1", ["sleep", "300"], progress_reader=kill)
    assert run_long(host, str(tmp_path / "work"), "job-1", ["echo", "again"]).stdout == b"again\n"


def test_looks_tell_the_size_of_a_growing_file(host: LocalTransport, tmp_path: Path) -> None:
    sizes: list[int] = []
    grow = ["sh", "-c", 'head -c 4194304 /dev/urandom >"$1"; sync "$1"; sleep 0.5', "grow", str(tmp_path / "growing")]
    watch = str(tmp_path / "growing")
    run_long(host, str(tmp_path / "work"), "job-1", grow, watch=watch, progress_reader=lambda seen: sizes.append(seen.written))
    assert sizes[-1] >= 4 << 20


@pytest.mark.parametrize("key", ["", "..", "a/b", "-rf", "a b", "x" * 300])
def test_a_key_that_is_no_name_is_refused(host: LocalTransport, tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError):
        run_long(host, str(tmp_path), key, ["true"])
