"""A running lab as tests hold it: changes go through `scripts/lab`, as a person would make them."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit import status
from labkit.enter import argv_inside
from labkit.spec import load

from tests.support.forked import run_program

PROGRAM = Path(__file__).resolve().parents[2] / "scripts" / "lab"
COMMAND_SECONDS = 300
MACHINE_SECONDS = 1500
"""How long machines may take to boot under emulation, and their image to be made."""


def run_lab(directory: Path, name: str, *argv: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    """`scripts/lab` with these arguments, whatever its exit status."""
    return run_program(["--dir", str(directory), "--name", name, *argv], os.environ, seconds, program="labkit.cli")


@dataclass(frozen=True)
class LabHandle:
    """One lab by directory and name, and how to reach it."""

    directory: Path
    name: str

    def run(self, *argv: str, seconds: float = COMMAND_SECONDS) -> str:
        """The output of a lab command; an `AssertionError` with its own words if it fails."""
        done = run_lab(self.directory, self.name, *argv, seconds=seconds)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `status -f json` says."""
        return dict(status.report(load(self.root)))

    def host(self, name: str) -> dict[str, Any]:
        """One host's part of the status: name, address, uuid, host_key, power, sshd, libvirtd, broken."""
        return next(host for host in self.status()["hosts"] if host["name"] == name)

    def exec(self, host: str, *argv: str) -> str:
        """The output of a command run as root inside a host, not through ssh: what `scripts/lab exec` becomes."""
        lab = load(self.root)
        done = subprocess.run(
            argv_inside(lab, lab.host(host), argv),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            input="",
            cwd="/",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def damage(self, host: str, what: str) -> None:
        """Break something on a host."""
        self.run("break", host, what)

    def mend(self, host: str, *what: str) -> None:
        """Mend one thing or all on a host."""
        self.run("mend", host, *what, seconds=MACHINE_SECONDS)

    def mend_all(self) -> None:
        """Mend whatever a test left broken."""
        for host in self.status()["hosts"]:
            if host["broken"] or not host["power"]:
                self.mend(host["name"])

    def ssh(self, host: str, *argv: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """A command over ssh with the lab's key and pinned host keys; waits at most 5 s for the connection."""
        options = ["-F", str(self.root / "ssh_config"), "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "-l", user]
        return subprocess.run(
            ["ssh", *options, host, *argv], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False, input=""
        )

    @property
    def root(self) -> Path:
        """Where the lab's own files lie: key, known_hosts, ssh_config, shared/, hosts/NAME/."""
        return self.directory / self.name

    @property
    def shared(self) -> Path:
        """The directory that every host sees as /srv/nebula-shared."""
        return self.root / "shared"

    def guest_address(self, number: int) -> str:
        """An address for a guest on the lab's guest network, 2 to 254; the front end reaches it on any host."""
        return f"{self.status()['guest_gateway'].rpartition('.')[0]}.{number}"


MakeLab = Callable[..., LabHandle]


def fetch(address: str, path: str = "/", *, seconds: float = 3.0) -> str | None:
    """A page of a guest's web server; None if nothing answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=seconds) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None


def guest_facts(address: str) -> dict[str, str]:
    """What a guest says of itself (hostname, counter, boot-id, memory-kib, kept ...); empty if it does not answer."""
    lines = [line.partition(": ") for line in (fetch(address) or "").splitlines()]
    return {key: value for key, _, value in lines}


def eventually(met: Callable[[], bool], what: str, *, seconds: float = 90.0) -> None:
    """Wait until `met`; fails the test naming `what` after `seconds`. What takes long is asked for more seldom."""
    begun = time.monotonic()
    while not met():
        waited = time.monotonic() - begun
        assert waited < seconds, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(min(1.0, 0.2 + waited / 20))
