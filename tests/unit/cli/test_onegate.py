"""A daemon to which guests report, by curl with what their context CD says."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.drivers.sim.world import SimWorld
from tests.support.contextcd import cd_of, files_of
from tests.support.sim import sim_engine, until

from .test_owners import Processes

MAKE = ("vm", "create", "web", "--memory", "128", "--image", "base", "--network", "lan", "--context", "REPORT_READY=YES")
REPORT = """
. "$1/context.sh"
curl -sS -X PUT "$ONEGATE_ENDPOINT/vm" --header "X-ONEGATE-TOKEN: $(cat "$1/token.txt")" \\
  --header "X-ONEGATE-VMID: $VMID" --max-time 10 --insecure -d "READY=YES" -w '%{http_code}'
"""
"""As one-context reports."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    home, run = tmp_path / "home", tmp_path / "run"
    run.mkdir(0o700)
    with sim_engine(home):
        pass
    made = Processes(home, run)
    yield made
    made.end()


def on_cd(processes: Processes, name: str, folder: Path) -> str:
    """The token on the CD of that VM, whose files are now in the folder."""
    vm = json.loads(processes.run("vm", "show", name, "-f", "json")[1])
    world = SimWorld(processes.home / "sim.db")
    try:
        script, token = files_of(cd_of(world, vm["host"], vm["uuid"]))
    finally:
        world.close()
    folder.mkdir()
    (folder / "context.sh").write_text(script)
    (folder / "token.txt").write_text(f"{token}\n")
    return token


def test_a_guest_reports_to_the_daemon_and_who_waits_hears_of_it(processes: Processes, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{found.getsockname()[1]}"
    assert "nowhere" in processes.run("daemon", "onegate")[1]
    assert processes.run("daemon", "onegate", "--endpoint", "http://gate")[0] == 2
    assert "would" not in processes.run("daemon", "onegate", "--listen", listen, "--dry-run")[2]
    assert processes.run("daemon", "onegate", "--listen", listen)[0] == 0
    assert "no daemon runs" in processes.run("daemon", "onegate")[1]
    daemon = processes.daemon()
    until(lambda: "can report" in processes.run("daemon", "onegate")[1], "a daemon that listens", 30)
    assert processes.run(*MAKE)[0] == 0
    token = on_cd(processes, "web", tmp_path / "cd")
    waiting = processes.start("vm", "wait", "web", "READY", "--timeout", "60")
    assert processes.run("vm", "wait", "web", "READY", "--timeout", "1")[0] == 7
    done = subprocess.run(
        ["sh", "-c", REPORT, "sh", str(tmp_path / "cd")], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("200", "")
    status, _, err = processes.ended(waiting)
    assert (status, "READY" in err) == (0, True), err
    shown = processes.run("vm", "show", "web")[1]
    assert "READY" in shown
    assert token not in shown
    assert processes.run("vm", "poweroff", "web", "--hard")[0] == 0
    assert processes.run("vm", "wait", "web", "READY", "POWEROFF")[0] == 0
    assert processes.run("daemon", "onegate", "--off")[0] == 0
    until(lambda: not _answers(listen), "an end of its listening", 30)
    daemon.send_signal(signal.SIGTERM)
    status, _, journal = processes.ended(daemon)
    assert (status, f"guests report to {listen}" in journal, token in journal) == (0, True, False), journal


def _answers(listen: str) -> bool:
    host, _, port = listen.rpartition(":")
    with contextlib.closing(socket.socket()) as tried:
        return tried.connect_ex((host, int(port))) == 0
