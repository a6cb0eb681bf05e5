"""The program's libraries, installed by pip for each interpreter, and what of them goes into the file."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from .errors import BuildError
from .interpreters import Interpreter

PIP_SECONDS = 1200
CARRIED_EXTRAS = ("mysql", "postgres")
"""PyMySQL (50 kB) and psycopg (150 kB); psycopg's own libpq would weigh 4.5 MB a version of Python, so the system's is used."""
LEFT_OUT = (
    "*.pyc", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h", "bin/*", "*/tests/*", "*/test/*", "libvirt*_lxc*", "libvirt_lxc.py",
    "*.dist-info/RECORD", "*.dist-info/WHEEL", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json",
    "_distutils_hack/*", "distutils-precedence.pth", "numpy/f2py/*", "*.a", "numpy/_core/include/*", "numpy/_pyinstaller/*",
)  # fmt: skip
"""Never imported by a running program. METADATA and licences stay: libraries ask for their own version."""


def requirements(pyproject: Path) -> list[str]:
    """The libraries that the file carries."""
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = [
        line.replace("[binary]", "") for name in CARRIED_EXTRAS for line in project["optional-dependencies"].get(name, [])
    ]
    return [*project["dependencies"], *extras]


def install(interpreter: Interpreter, wanted: Sequence[str], scratch: Path, *, fresh: bool = False) -> Path:
    """The directory with the libraries for one interpreter, made by its own pip unless it is there for the same `wanted`."""
    target, stamp = scratch / interpreter.abi / "site", scratch / interpreter.abi / "stamp"
    key = hashlib.sha256(json.dumps([str(interpreter.path), *wanted]).encode()).hexdigest()
    if not fresh and stamp.exists() and stamp.read_text() == key:
        return target
    shutil.rmtree(scratch / interpreter.abi, ignore_errors=True)
    pip = _pip(interpreter, scratch / interpreter.abi / "pip")
    _run([*pip, "install", "-q", "--no-compile", "--target", str(target), *wanted], f"installing for {interpreter.version}")
    stamp.write_text(key)
    return target


def _pip(interpreter: Interpreter, place: Path) -> list[str]:
    """A pip that runs under the interpreter itself, so that whatever must be compiled is compiled for it."""
    _run([str(interpreter.path), "-m", "venv", str(place)], f"making an environment for {interpreter.version}")
    return [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _run(argv: Sequence[str], what: str) -> None:
    environment = {**os.environ, "CFLAGS": "-O2 -g0", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{what} took longer than {PIP_SECONDS} s: {' '.join(argv)}") from error
    if done.returncode != 0:
        words = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise BuildError(f"{what} failed: {words}", hint="apt install gcc libc6-dev libvirt-dev pkg-config python3-dev")


def carried(root: Path) -> dict[str, bytes]:
    """Name in the archive -> content, of every file under `root` that is not left out."""
    names = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if not _left_out(name)}


def _left_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in LEFT_OUT)
