"""A small program in a file like dist/nebula, and ways to start it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from buildkit import archive
from buildkit.interpreters import Interpreter

PROGRAM = b"""
import json, sys
def main():
    if sys.argv[1:] == ["wait"]:
        print("waiting", flush=True)
        sys.stdin.read()
    else:
        print(json.dumps({"argv": sys.argv, "executable": sys.executable, "prefix": sys.prefix}))
    return 7 if sys.argv[1:] == ["fail"] else 0
"""
MAIN = b"import sys\nfrom nebula.cli.entry import main\nsys.exit(main())\n"
SECONDS = 60


@dataclass
class OneFile:
    """A built file with a cache and a PATH of its own."""

    path: Path
    cache: Path
    bin: Path
    environment: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """What it is started with: nothing but this."""
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "NEBULA_CACHE": str(self.cache), **self.environment}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start it and wait for its end."""
        return subprocess.run(
            [self.path, *arguments], env=self.environ(), capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it."""
        pipe = subprocess.PIPE
        return subprocess.Popen([self.path, *arguments], env=self.environ(), text=True, stdin=pipe, stdout=pipe, stderr=pipe)

    @property
    def abi(self) -> str:
        """For which interpreter it is."""
        return f"cp3{sys.version_info[1]}"

    def copies(self) -> list[Path]:
        """What lies in its cache."""
        return sorted(self.cache.iterdir())


@pytest.fixture
def this_interpreter() -> Interpreter:
    """The one that runs the tests, without the virtual environment around it."""
    return Interpreter(sys.version_info[1], Path(sys.executable).resolve())


@pytest.fixture
def make_file(tmp_path: Path, this_interpreter: Interpreter) -> Callable[..., OneFile]:
    """make_file(version) is such a file; all of a test share one cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(this_interpreter.path)

    def make(version: str = "1.0") -> OneFile:
        tree = {"nebula/__main__.py": MAIN, "nebula/cli/entry.py": PROGRAM, "nebula/version": version.encode()}
        path = tmp_path / f"nebula-{version}"
        archive.write(path, version, [this_interpreter], {this_interpreter.abi: tree})
        return OneFile(path, tmp_path / "cache", programs)

    return make


@pytest.fixture
def one_file(make_file: Callable[..., OneFile]) -> OneFile:
    """One such file."""
    return make_file()
