"""Who owns the home, with real processes: commands, daemons and runners that start, stop and end while others work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from nebula.engine.owner import owner
from tests.support.forks import Program
from tests.support.sim import sim_engine, until

ROOT = Path(__file__).parents[3]
SECONDS = 30
CREATE = ("vm", "create", "web", "--memory", "128", "--image", "base")


class Processes:
    """Programs on one home; all have ended when the test has."""

    def __init__(self, home: Path, run: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "NEBULA_HOME": str(home),
            "XDG_RUNTIME_DIR": str(run),
            "PYTHONPATH": str(ROOT),
        }
        self.started: list[Program] = []

    def start(self, *words: str, **environment: str) -> Program:
        """Start the program."""
        process = Program(words, {**self.environment, **environment})
        self.started.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str, str]:
        """Start it and wait for its end: status, stdout, stderr."""
        return self.ended(self.start(*words))

    def ended(self, process: Program) -> tuple[int, str, str]:
        """Wait for its end; one that does not end is shown with what its threads were at."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate(timeout=SECONDS)
            raise AssertionError(f"{process.words!r} did not end within {SECONDS} s:\n{out}\n{err}") from None
        return process.wait(SECONDS), out, err

    def daemon(self) -> Program:
        """A daemon that serves."""
        process = self.start("--daemon")
        self.await_owner("daemon")
        return process

    def await_owner(self, role: str) -> int:
        """Wait until somebody in that role owns and serves the home; its pid."""
        until(lambda: owner(self.home).get("role") == role and "socket" in owner(self.home), f"a {role} that owns", SECONDS)
        return int(owner(self.home)["pid"])

    def await_nobody(self) -> None:
        """Wait until nobody owns the home."""
        until(lambda: not owner(self.home), "a home that nobody owns", SECONDS)

    def state(self, vm: str) -> str:
        """The state that a command tells."""
        status, out, err = self.run("vm", "list", "-f", "json", f"name={vm}")
        assert status == 0, err
        return str(json.loads(out)[0]["state"])

    def end(self) -> None:
        """Kill what a failed test left."""
        for process in self.started:
            process.close()
        if (runner := owner(self.home)).get("role") == "runner":
            os.kill(int(runner["pid"]), signal.SIGTERM)
            self.await_nobody()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Processes]:
    """Processes on a home that does not exist yet."""
    with tempfile.TemporaryDirectory(prefix="nebula-") as run:
        processes = Processes(tmp_path / "home", Path(run))
        yield processes
        processes.end()


@pytest.fixture
def processes(fresh: Processes) -> Processes:
    """Processes on a home with simulated hosts."""
    with sim_engine(fresh.home):
        return fresh


@contextmanager
def hanging(home: Path, operation: str = "datastore.create_disk") -> Iterator[SimWorld]:
    """The next such call hangs."""
    world = SimWorld(home / "sim.db")
    world.faults.hang("*", operation, seconds=SECONDS)
    try:
        yield world
    finally:
        world.faults.release()
        world.close()


def stop(processes: Processes, process: Program) -> tuple[int, str]:
    """End it politely: status and stderr."""
    process.terminate()
    status, _, err = processes.ended(process)
    return status, err


def test_a_daemon_takes_over_from_a_command_that_waits(processes: Processes) -> None:
    with hanging(processes.home) as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        daemon = processes.daemon()
        status, _, err = processes.ended(command)
        assert (status, processes.state("web")) == (0, "RUNNING")
        assert "runs on" in err
        status, err = stop(processes, daemon)
    assert status == 0
    assert f"waiting for process {command.pid} (command), which owns {processes.home}: asked to let go" in err


def test_the_next_owner_may_listen_elsewhere(processes: Processes, tmp_path: Path) -> None:
    with hanging(processes.home) as world, tempfile.TemporaryDirectory(prefix="nebula-") as run:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        daemon = processes.start("--daemon", XDG_RUNTIME_DIR=run)
        processes.await_owner("daemon")
        assert str(owner(processes.home)["socket"]).startswith(run)
        status, _, err = processes.ended(command)
        assert status == 0, err
        assert stop(processes, daemon)[0] == 0


def test_a_daemon_waits_until_the_owner_comes_to_a_safe_point(processes: Processes) -> None:
    with hanging(processes.home, "hypervisor.start") as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        daemon = processes.start("--daemon")
        until(lambda: "stopping" in owner(processes.home), "an owner that stops")
        other = processes.start("vm", "list")
        assert processes.ended(other)[0] == 0
        world.faults.release()
        assert processes.await_owner("daemon") == daemon.pid
        assert processes.ended(command)[0] == 0
    assert stop(processes, daemon)[0] == 0


def test_only_a_second_daemon_is_refused(processes: Processes) -> None:
    first = processes.daemon()
    status, out, err = processes.run("--daemon")
    assert (status, out) == (5, "")
    assert f"process {first.pid} (daemon) owns it" in err
    assert processes.run("vm", "create", "web", "--memory", "128", "--hold", "--image", "base")[0] == 0
    assert stop(processes, first)[0] == 0


def test_of_two_daemons_that_want_a_command_s_home_one_is_refused(processes: Processes) -> None:
    with hanging(processes.home) as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        daemons = [processes.start("--daemon") for _ in range(2)]
        winner = processes.await_owner("daemon")
        [loser] = [daemon for daemon in daemons if daemon.pid != winner]
        status, _, err = processes.ended(loser)
        assert status == 5
        assert f"process {winner} (daemon) owns it" in err
        assert processes.ended(command)[0] == 0


def test_a_fresh_home_with_many_at_once(fresh: Processes) -> None:
    commands = [fresh.start(*words) for words in (("status",), ("vm", "list"), ("cluster", "create", "one")) * 3]
    daemons = [fresh.start("--daemon") for _ in range(2)]
    winner = fresh.await_owner("daemon")
    ends = [fresh.ended(command) for command in commands]
    statuses = sorted(status for status, _, _ in ends)
    assert statuses == [0, 0, 0, 0, 0, 0, 0, 5, 5], ends  # one of three creates the cluster of that name
    [loser] = [daemon for daemon in daemons if daemon.pid != winner]
    assert fresh.ended(loser)[0] == 5


def test_a_command_outlives_the_daemon_that_did_its_work(processes: Processes) -> None:
    daemon = processes.daemon()
    with hanging(processes.home) as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        assert stop(processes, daemon)[0] == 0
        status, _, err = processes.ended(command)
    assert (status, processes.state("web")) == (0, "RUNNING"), err
    processes.await_nobody()


def test_daemons_come_and_go_while_commands_work(processes: Processes) -> None:
    commands = []
    for number in range(6):
        daemon = processes.daemon()
        commands += [
            processes.start("vm", "create", f"vm-{number}-{n}", "--memory", "128", "--image", "base") for n in range(2)
        ]
        assert stop(processes, daemon)[0] == 0
    ends = [processes.ended(command) for command in commands]
    assert [status for status, _, _ in ends] == [0] * len(commands), ends
    processes.await_nobody()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_detaches_leaves_the_work_to_a_runner(processes: Processes, number: signal.Signals) -> None:
    with hanging(processes.home) as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        command.send_signal(number)
        status, _, err = processes.ended(command)
        assert status == 130
        assert "goes on" in err
        assert "Traceback" not in err
        until(lambda: processes.state("web") == "RUNNING", "the runner's work")
    processes.await_nobody()


def test_who_is_in_a_hurry_leaves_it_too(processes: Processes) -> None:
    with hanging(processes.home, "hypervisor.start") as world:
        command = processes.start(*CREATE)
        until(world.faults.hanging, "the job's step")
        command.send_signal(signal.SIGINT)
        until(lambda: "stopping" in owner(processes.home), "an owner that stops")
        while "at once" not in command.stderr.readline():
            assert command.poll() is None
        command.send_signal(signal.SIGINT)
        assert processes.ended(command)[0] == 130
        assert world.faults.hanging()
        world.faults.release()
        until(lambda: processes.state("web") == "RUNNING", "the runner's work")
    processes.await_nobody()
