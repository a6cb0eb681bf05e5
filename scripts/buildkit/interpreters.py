"""Which versions of CPython on this machine the file can be built for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import BuildError

MINORS = (11, 12, 13)
PROBE_SECONDS = 30
PROBE = """
import sys, sysconfig, importlib.util as find, pathlib
header = pathlib.Path(sysconfig.get_path("include"), "Python.h")
missing = [name for name, there in {"Python.h": header.exists(), "venv": find.find_spec("ensurepip")}.items() if not there]
fits = sys.implementation.name == "cpython" and not sys.abiflags
print(sys.version_info[1] if fits and sys.version_info[0] == 3 else 0, sys.executable, *missing)
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython that can compile extension modules; `minor` is the 12 of 3.12."""

    minor: int
    path: Path

    @property
    def abi(self) -> str:
        """As in wheels' names: cp312."""
        return f"cp3{self.minor}"

    @property
    def version(self) -> str:
        """As people say it: 3.12."""
        return f"3.{self.minor}"


def find(wanted: Sequence[str] = ()) -> list[Interpreter]:
    """One usable interpreter per minor version, among `wanted` or all that this machine has; raises `BuildError` if none."""
    found: dict[int, Interpreter] = {}
    unusable = []
    for path in dict.fromkeys(Path(name) for name in wanted) or dict.fromkeys(_candidates()):
        minor, real, missing = _probe(path)
        if minor in MINORS and minor not in found and not missing:
            found[minor] = Interpreter(minor, real)
        elif minor in MINORS and missing:
            unusable.append(f"{path} lacks {' and '.join(missing)}")
        elif wanted:
            raise BuildError(f"{path} is not CPython 3.11, 3.12 or 3.13")
    if not found:
        why = "; ".join(unusable) or "no CPython 3.11, 3.12 or 3.13 here"
        raise BuildError(f"no interpreter to build for: {why}", hint="apt install python3-dev python3-venv")
    return [found[minor] for minor in sorted(found)]


def _candidates() -> Iterator[Path]:
    directories = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    versions = sorted(Path.home().glob(".pyenv/versions/3.1[123].*/bin"), reverse=True)
    for directory in [Path(sys.executable).parent, *map(Path, directories), *versions]:
        for name in ("python3", *(f"python3.{minor}" for minor in MINORS)):
            if (directory / name).is_file():
                yield directory / name


def _probe(path: Path) -> tuple[int, Path, list[str]]:
    """Minor version (0 if it does not fit), real path, what is missing for a build."""
    try:
        done = subprocess.run([path, "-I", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):  # a version manager's stand-in for a version that is not there
        return 0, path, []
    minor, real, *missing = done.stdout.split()
    return int(minor), Path(real).resolve(), missing
