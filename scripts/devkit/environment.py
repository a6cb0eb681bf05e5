"""The virtual environment that tests and tools run in: made once, made again when pyproject.toml asks for something else."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from pathlib import Path

from .phase import Phase, run

ROOT = Path(__file__).resolve().parents[2]
INSTALL_SECONDS = 900


class EnvironmentFailure(Exception):
    """The environment could not be made; pip's own words were shown."""


def ready() -> Path:
    """The environment's `bin` directory: NEBULA_VENV if that is set (taken as it is), else .venv with all of `.[dev]`.

    pip's own configuration (indexes, proxies, certificates) is left to the machine.
    """
    if os.environ.get("NEBULA_VENV"):
        return Path(os.environ["NEBULA_VENV"]) / "bin"
    place = ROOT / ".venv"
    stamp, wanted = place / "nebula-stamp", fingerprint(ROOT / "pyproject.toml")
    if not (stamp.exists() and stamp.read_text() == wanted and (place / "bin" / "python").exists()):
        _make(place)
        stamp.write_text(wanted)
    return place / "bin"


def fingerprint(pyproject: Path) -> str:
    """Of everything that decides what is installed: the requirements and this interpreter."""
    project = tomllib.loads(pyproject.read_text())["project"]
    parts = (sys.version, project["dependencies"], project["optional-dependencies"], project["scripts"])
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _make(place: Path) -> None:
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-q"]
    for phase in (
        Phase("environment", [sys.executable, "-m", "venv", str(place)], 120),
        Phase("libraries", [*pip, "-e", f"{ROOT}[dev]"], INSTALL_SECONDS),
    ):
        if run(phase).status != 0:
            raise EnvironmentFailure(f"{phase.name}: {' '.join(phase.argv)}")
