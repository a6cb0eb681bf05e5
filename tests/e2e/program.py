"""The program as a person runs it: a process, its output, its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from nebula.engine.owner import in_change, owner
from tests.lab.handle import LabHandle, eventually
from tests.lab.terminal import Terminal
from tests.support.forked import run_program

SECONDS = 240
"""How long a command may take, unless said otherwise."""
_PERSON = """
set -e
mkdir -p -m 700 /root/.ssh
mount -t tmpfs tmpfs /root/.ssh
install -m 600 "$1" /root/.ssh/id_ed25519
cp "$1.pub" /root/.ssh/id_ed25519.pub
printf 'StrictHostKeyChecking accept-new\\n' >/root/.ssh/config
shift
exec "$@"
"""


def as_person(key: Path) -> list[str]:
    """What stands before a command of somebody whose ssh key this is: a mount namespace of its own."""
    return ["unshare", "-m", "sh", "-c", _PERSON, "sh", str(key)]


class Program:
    """`nebula` for one home; at most one daemon."""

    def __init__(self, home: Path, *, seconds: float = SECONDS) -> None:
        self.home, self._seconds = home, seconds
        self._daemon: subprocess.Popen[bytes] | None = None

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run it, whatever its exit status."""
        return run_program(argv, self.environment, self._seconds)

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start it and go on; what it says is in `said`."""
        with self.said.open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "nebula", *argv],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    @property
    def said(self) -> Path:
        """The output of all that was started and went on."""
        return self.home / "said"

    def terminal(self, *argv: str) -> Terminal:
        """Start it on a terminal of its own."""
        return Terminal([sys.executable, "-m", "nebula", *argv], self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """The home, and nothing that colours."""
        return {**os.environ, "NEBULA_HOME": str(self.home), "NO_COLOR": "1"}

    def out(self, *argv: str) -> str:
        """Its stdout; fails the test with its stderr if it fails."""
        done = self.run(*argv)
        assert done.returncode == 0, f"nebula {' '.join(argv)}: {done.stderr}"
        return done.stdout.strip()

    def json(self, *argv: str) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.out(*argv))

    def vm(self, name: str) -> dict[str, Any]:
        """What is shown of a VM, its host asked."""
        return dict(self.json("vm", "show", name, "-f", "json"))

    def state(self, name: str) -> str:
        """A VM's state as the list has it."""
        rows = self.json("vm", "list", f"name={name}", "-c", "state", "-f", "json")
        return str(rows[0]["state"]) if rows else "gone"

    def migrate_live(self, name: str, host: str) -> None:
        """Move a running VM; waits until its host is not silent, as an emulated one may be for a moment."""
        self.out("vm", "wait", name, "RUNNING", "--timeout", "5m")
        self.out("vm", "migrate", name, "--host", host, "--live")

    def start_daemon(self) -> None:
        """Run the engine until `stop_daemon` or `kill_daemon`, if it does not run."""
        if self._daemon is not None:
            return
        self._daemon = self.start("--daemon")
        eventually(self._serves, "the daemon's socket", seconds=60)

    def _serves(self) -> bool:
        """Whether the daemon, and nobody else, owns the home and listens."""
        found = owner(self.home)
        return self._daemon is not None and found.get("pid") == self._daemon.pid and not in_change(found)

    def stop_daemon(self) -> None:
        """End it cleanly, if it runs."""
        self._end(signal.SIGTERM)

    def kill_daemon(self) -> None:
        """End it by SIGKILL."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._daemon is not None:
            self._daemon.send_signal(number)
            self._daemon.wait(timeout=60)
            self._daemon = None


def add_hosts(program: Program, lab: LabHandle, *names: str, virt: str = "qemu") -> None:
    """Hosts of a lab become those of a home, as a person would add them."""
    key = program.out("host", "key")
    for name in names:
        lab.exec(name, "sh", "-c", 'echo "$1" >> /root/.ssh/authorized_keys', "sh", key)
        address = lab.host(name)["address"]
        program.out("host", "add", name, "--address", address, "--accept-new-key", "--virt", virt)
