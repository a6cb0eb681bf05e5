"""The real file, built once, for every interpreter that this machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nebula

ROOT = Path(__file__).parents[2]
LIBRARIES = "asyncssh httpx msgspec peewee psutil psycopg.version pycdlib pymysql re2 rich.table textual.app typer yaml libvirt"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dist/nebula, somewhere else."""
    path = tmp_path_factory.mktemp("dist") / "nebula"
    argv = [sys.executable, str(ROOT / "scripts" / "build"), "-o", str(path)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, check=True, timeout=280)
    return path


def start(built: Path, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run something with a home and a cache of its own."""
    places = {"NEBULA_CACHE": str(tmp_path / "cache"), "NEBULA_HOME": str(tmp_path / "home")}
    return subprocess.run(
        argv, env={"PATH": os.environ["PATH"], **places}, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_says_its_version(built: Path, tmp_path: Path) -> None:
    done = start(built, tmp_path, str(built), "--version")
    assert (done.stdout.split(), done.stderr, done.returncode) == (["nebula", nebula.__version__], "", 0)


def test_all_libraries_are_there(built: Path, tmp_path: Path) -> None:
    start(built, tmp_path, str(built), "--version")
    [python] = (tmp_path / "cache").glob("*/bin/python")
    done = start(built, tmp_path, str(python), "-I", "-c", f"import {LIBRARIES.replace(' ', ', ')}; print(typer.__file__)")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith(str(tmp_path / "cache"))


def test_no_library_of_the_system_is_carried(built: Path) -> None:
    with zipfile.ZipFile(built) as outer:
        parts = [zipfile.ZipFile(outer.open(name)).namelist() for name in outer.namelist() if name.endswith(".zip")]
    assert not [name for names in parts for name in names if "libvirt.so" in name or "libpq" in name]
