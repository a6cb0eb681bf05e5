from __future__ import annotations

import contextlib
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
from nebula.drivers.longrun import Sighting, end_all, run_long
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
    for _ in range(1200):
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


def _engine_stops(_: Sighting) -> None:
    raise InterruptedByUser(ENGINE_STOPPING)


def test_what_a_job_left_running_is_ended_and_nothing_else(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    work = tmp_path / "work"
    for key in ("job-1-disk", "job-1-move", "job-12-disk"):
        with pytest.raises(InterruptedByUser):
            run_long(host, str(work), key, counted, cancel=CancelToken(), detach=lambda: True, progress_reader=_engine_stops)
    pids = {path.parent.name: int(path.read_text()) for path in work.glob("*/pid")}
    for _ in range(2):
        end_all(host, str(work), "job-1-")
        assert {key for key, pid in pids.items() if still_runs(pid)} == {"job-12-disk"}
        assert [path.name for path in work.iterdir()] == ["job-12-disk"]
    (tmp_path / "go").touch()
    run_long(host, str(work), "job-12-disk", counted)


class Unsteady(LocalTransport):
    """A connection that is lost as soon as a command runs."""

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        if "poll" in argv:
            raise UnreachableError("host node does not answer")
        return super().run(argv, **more)


class Counting(LocalTransport):
    """A transport that notes the verbs of its looks, which of them went as bulk, and those that were given up."""

    def __init__(self, on_poll: Callable[[], None] = lambda: None) -> None:
        super().__init__("node")
        self.verbs: list[str] = []
        self.bulk: set[str] = set()
        self.given_up: list[str] = []
        self.prefix: list[str] = []
        self._on_poll = on_poll

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        verb = argv[4]
        self.verbs.append(verb)
        if more.get("bulk"):
            self.bulk.add(verb)
        if verb == "poll":
            self._on_poll()
        try:
            return super().run([*self.prefix, *argv], **more)
        except InterruptedByUser:
            self.given_up.append(verb)
            raise


def test_the_host_waits_so_that_a_second_costs_one_round_trip(tmp_path: Path) -> None:
    host = Counting()
    run_long(host, str(tmp_path / "work"), "job-1", ["sleep", "2.5"])
    assert (host.verbs[0], host.verbs[-1]) == ("start", "clean")
    assert set(host.verbs[1:-1]) == {"poll"}
    assert len(host.verbs) <= 5
    assert host.bulk == {"start", "poll"}


def test_a_cancellation_does_not_wait_for_the_look(tmp_path: Path) -> None:
    token = CancelToken()
    host = Counting(lambda: threading.Timer(0.1, token.set, ["cancelled by alice"]).start())
    with pytest.raises(InterruptedByUser, match="alice"):
        run_long(host, str(tmp_path / "work"), "job-1", ["sleep", "300"], cancel=token)
    assert host.given_up == ["poll"]
    assert host.verbs == ["start", "poll", "stop", "clean"]
    assert list((tmp_path / "work").iterdir()) == []


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


def restart(work: Path) -> None:
    """What a restart of the host leaves: nothing runs, and the command is of an earlier start."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int((work / "job-1" / "pid").read_text()), signal.SIGKILL)
    (work / "job-1" / "boot").write_text("an-earlier-one\n1\n")


def test_what_a_restart_of_the_host_cut_off_is_run_again(host: LocalTransport, tmp_path: Path, counted: list[str]) -> None:
    def power_cut(_: Sighting) -> None:
        if runs(tmp_path) == 1 and not (tmp_path / "go").exists():
            (tmp_path / "go").touch()
            restart(tmp_path / "work")

    done = run_long(host, str(tmp_path / "work"), "job-1", counted, progress_reader=power_cut)
    assert done.stdout == b"started\ndone\n"
    assert runs(tmp_path) == 2
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("status", ["", "0", "143"])
def test_a_status_of_before_a_restart_is_not_believed(
    host: LocalTransport, tmp_path: Path, counted: list[str], status: str
) -> None:
    with pytest.raises(UnreachableError):
        run_long(Unsteady("node"), str(tmp_path / "work"), "job-1", counted)
    wait_until(lambda: runs(tmp_path) == 1)
    restart(tmp_path / "work")
    if status:
        (tmp_path / "work" / "job-1" / "status").write_text(f"{status}\n")
    (tmp_path / "go").touch()
    assert run_long(host, str(tmp_path / "work"), "job-1", counted).stdout == b"started\ndone\n"
    assert runs(tmp_path) == 2


@pytest.fixture
def container(host: LocalTransport) -> Iterator[Counting]:
    """A transport into a PID namespace of its own, which has the boot id of this machine."""
    first = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "600"])
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
    wait_until(lambda: bool(children.read_text().split()))
    inside = Counting()
    inside.prefix = ["nsenter", "--target", children.read_text().split()[0], "--pid", "--mount"]
    wait_until(lambda: b"sleep" in host.run([*inside.prefix, "cat", "/proc/1/comm"], check=False).stdout)
    yield inside
    inside.close()
    first.kill()
    first.wait(10)


def test_a_container_that_was_restarted_is_known_by_its_first_process(tmp_path: Path, container: Counting) -> None:
    note = ["sh", "-c", 'echo run >>"$1"', "note", str(tmp_path / "runs")]
    with pytest.raises(UnreachableError):
        run_long(Unsteady("node"), str(tmp_path / "work"), "job-1", ["sh", "-c", '"$@"; sleep 0.5', "x", *note])
    wait_until((tmp_path / "work" / "job-1" / "status").exists)
    run_long(container, str(tmp_path / "work"), "job-1", note)
    assert runs(tmp_path) == 2


def test_looks_tell_the_size_of_a_growing_file(host: LocalTransport, tmp_path: Path) -> None:
    sizes: list[int] = []
    grow = ["sh", "-c", 'head -c 4194304 /dev/urandom >"$1"; sync "$1"; sleep 0.5', "grow", str(tmp_path / "growing")]
    watch = str(tmp_path / "growing")
    run_long(host, str(tmp_path / "work"), "job-1", grow, watch=watch, progress_reader=lambda seen: sizes.append(seen.written))
    assert sizes[-1] >= 4 << 20


def test_looks_tell_the_length_of_a_file_with_holes(host: LocalTransport, tmp_path: Path) -> None:
    seen: list[Sighting] = []
    holes = str(tmp_path / "holes")
    run_long(host, str(tmp_path / "work"), "job-1", ["truncate", "-s", "1G", holes], watch=holes, progress_reader=seen.append)
    assert (seen[-1].size, seen[-1].written) == (1 << 30, 0)


@pytest.mark.parametrize("key", ["", "..", "a/b", "-rf", "a b", "x" * 300])
def test_a_key_that_is_no_name_is_refused(host: LocalTransport, tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError):
        run_long(host, str(tmp_path), key, ["true"])
