"""Two real hosts for as long as a suite needs them, and one warm ssh connection to each, as a person would hold it."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .cluster_source import ROOT
from .errors import BenchError
from .suite import Bench

LAB = ROOT / "scripts" / "lab"
IMAGES = ROOT / ".lab"
"""Where the guest's image is kept between runs: building it takes a while."""
COMMAND_SECONDS = 600
HOSTS = ("h1", "h2")
BRIDGE = "br0"


class Lab:
    """A lab that is up: `directory` is where `scripts/lab` keeps it, `name` its own."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        status = json.loads(self.lab("status", "-f", "json"))
        self.addresses = {str(host["name"]): str(host["address"]) for host in status["hosts"]}
        self._config = str(status["ssh_config"])
        self.guests = str(status["guest_gateway"]).rpartition(".")[0]
        """The first three numbers of the guests' network."""

    def lab(self, *argv: str) -> str:
        """The output of a lab's command."""
        return scripts_lab(self._directory, self._name, *argv)

    def close(self) -> None:
        """End the connections."""
        for host in HOSTS:
            subprocess.run([*self._ssh(host), "-O", "exit", host], capture_output=True, timeout=30, check=False)

    def ssh(self, host: str, *argv: str, stdin: str = "") -> str:
        """A command's output over the host's one connection, which the first command opens; BenchError if it fails."""
        return done([*self._ssh(host), host, shlex.join(argv)], stdin)

    def timed(self, host: str, *argv: str, stdin: str = "") -> float:
        """Milliseconds of `ssh`."""
        began = time.perf_counter()
        self.ssh(host, *argv, stdin=stdin)
        return (time.perf_counter() - began) * 1000

    def authorize(self, key: str) -> None:
        """Let the key's owner in as root everywhere."""
        for host in HOSTS:
            self.lab("exec", host, "sh", "-c", 'echo "$1" >> /root/.ssh/authorized_keys', "sh", key)

    def _ssh(self, host: str) -> list[str]:
        path = self._directory / f"{host}.ssh"
        return ["ssh", "-F", self._config, "-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", "ControlPersist=600"]


@contextmanager
def lab(bench: Bench) -> Iterator[Lab]:
    """Two hosts whose bridges are joined; taken down again."""
    _require()
    directory, name = bench.scratch, f"bench-{os.getpid()}"
    scripts_lab(directory, name, "up", str(len(HOSTS)), "--guest-bridge", BRIDGE)
    try:
        made = Lab(directory, name)
        try:
            yield made
        finally:
            made.close()
    finally:
        scripts_lab(directory, name, "down")


def guest_image() -> Path:
    """The guest's qcow2 disk, built if it is not there."""
    return Path(scripts_lab(IMAGES, "lab", "images").splitlines()[1])


def scripts_lab(directory: Path, name: str, *argv: str) -> str:
    """The output of `scripts/lab`; BenchError with its own words if it fails."""
    return done([sys.executable, "-B", str(LAB), "--dir", str(directory), "--name", name, *argv])


def done(argv: Sequence[str], stdin: str = "") -> str:
    """The output of a command; BenchError with its own words if it fails."""
    ended = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    if ended.returncode != 0:
        words = (ended.stderr or ended.stdout).strip()[-600:]
        raise BenchError(f"{shlex.join(argv)[:200]} ended with {ended.returncode}: {words}")
    return ended.stdout


def _require() -> None:
    usual = "scripts/bench allocate lifecycle listing memory monitoring"
    if os.geteuid() != 0:
        raise BenchError("real hosts need root", hint=f"sudo scripts/bench, or without them: {usual}")
    if importlib.util.find_spec("libvirt") is None:
        raise BenchError(
            f"{sys.executable} has no libvirt-python, which real hosts need", hint=f"pip install {ROOT}, or: {usual}"
        )
